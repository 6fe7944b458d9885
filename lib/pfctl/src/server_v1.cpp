// What a client of version 1 gets, the predecessor's: PROTOCOL.md, section 7.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include <pfctl/server.hpp>
#include <pfctl/v1_fingerprint.hpp>

namespace pf::ctl {
namespace {

namespace v1 = core::v1;

constexpr std::int64_t k_no_tests = 5;          // pytest's
constexpr std::int64_t k_exit_not_started = 72;

// Its client has sent none: what the tests print goes where the daemon's own words go, as with the predecessor.
core::Result<std::vector<core::UniqueFd>> own_streams() {
  std::vector<core::UniqueFd> streams;
  streams.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    core::UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    // A daemon in the foreground may have been started without.
    streams.push_back(copy.valid() ? std::move(copy) : core::UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC)));
  }
  for (const core::UniqueFd& stream : streams) {
    if (!stream.valid()) return core::Error::from_errno("open a stream for the run", errno);
  }
  return streams;
}

// The client has selected by its own options: here nothing is to be left out or stopped for the daemon's.
void select_items(core::RunRequest& request, std::vector<std::string> nodeids) {
  const bool has_mark = !request.argv.empty() && request.argv.front() == "-m";
  if (!has_mark) request.argv.insert(request.argv.end(), {"-m", ""});
  request.argv.insert(request.argv.end(), {"-k", "", "--maxfail=0"});
  request.options.nodeids = std::move(nodeids);
}

}  // namespace

void Server::on_v1(Connection& connection, v1::Command command) {
  if (auto* run = std::get_if<v1::RunCommand>(&command)) v1_run(connection, std::move(*run));
  else if (const auto* status = std::get_if<v1::StatusCommand>(&command)) v1_status(connection, *status);
  else if (std::holds_alternative<v1::ShutdownCommand>(command)) v1_shutdown(connection);
  else if (const auto* promote = std::get_if<v1::PromoteCommand>(&command)) v1_promote(connection, *promote);
}

// Sources that changed make no daemon stale that collects anew by itself. An environment that it was not told does.
bool Server::is_stale_for(const std::optional<std::string>& fingerprint) const {
  return fingerprint && *fingerprint != v1_fingerprint(settings_.v1_request.env);
}

void Server::v1_run(Connection& connection, v1::RunCommand command) {
  if (shutting_down_ || is_stale_for(command.fingerprint)) return leave_stale(connection);
  const std::int64_t id = next_run_++;
  auto again = [this, connection_id = connection.id()](V1Bench::Turn turn) { v1_run_again(connection_id, std::move(turn)); };
  auto client = std::make_unique<V1RunClient>(connection, command, id, std::move(again));
  if (command.stream && command.nodeids && command.nodeids->empty()) {
    note_activity();
    connection.send_last_answer(v1::encode(v1::FinishedAnswer{k_no_tests, "pfast: no node id was asked for: nothing ran"}));
    return;
  }
  core::RunRequest request = settings_.v1_request;
  request.options.full_report = command.stream;
  request.options.measure = client->measure();
  if (command.stream && command.nodeids) select_items(request, std::move(*command.nodeids));
  connection.keep(std::move(client));
  start_v1_run(connection, id, std::move(request));
}

void Server::start_v1_run(Connection& connection, std::int64_t id, core::RunRequest request) {
  RunClient& translator = *connection.translator();
  auto streams = own_streams();
  if (!streams) {
    core::ErrorEvent error;
    error.code = "busy";
    error.message = streams.error().message;
    error.hint = "see `ulimit -n`";
    error.exit_code = k_exit_not_started;
    translator.send_event(core::encode(error));
    return;
  }
  start_run(connection, id, std::move(request), std::move(*streams), translator);
}

// The run before it is on the stack, and is still leaving.
void Server::v1_run_again(std::int64_t connection_id, V1Bench::Turn turn) {
  loop_.defer([this, connection_id, turn = std::move(turn)] {
    const auto found = connections_.find(connection_id);
    if (found == connections_.end()) return;
    if (Run* before = find_run(*found->second)) before->forget_client();
    core::RunRequest request = settings_.v1_request;
    request.options.measure = turn.measure;
    request.options.nodeids = turn.nodeids;
    start_v1_run(*found->second, next_run_++, std::move(request));
  });
}

void Server::v1_status(Connection& connection, const v1::StatusCommand& command) {
  connection.send_last_answer(v1::encode(v1::ReadyAnswer{true, shutting_down_ || is_stale_for(command.fingerprint)}));
}

// The client starts another daemon at this address as soon as it finds none, and one more whenever it is told so again.
void Server::leave_stale(Connection& connection) {
  connection.send_last_answer(v1::encode(v1::StaleAnswer{}));
  if (shutting_down_) return;
  log_.line("leaving: a client of version 1 has another environment");
  if (!handing_over()) (void)hooks_.withdraw();
  shut_down(false);
}

// As the predecessor, whose clients wait for the answer: it comes when the runs are over.
void Server::v1_shutdown(Connection& connection) {
  v1_goodbyes_.push_back(connection.id());
  shut_down(false);
}

void Server::v1_promote(Connection& connection, const v1::PromoteCommand& command) {
  if (promoting_ || shutting_down_ || handing_over()) {
    log_.line("not promoted to '" + command.address + "': " + (promoting_ ? "another promotion is under way" : "the daemon is about to leave"));
    connection.send_last_answer(v1::encode(v1::PromotedAnswer{false}));
    return;
  }
  note_activity();
  promoting_ = true;
  hooks_.promote(command.address, [this, id = connection.id(), path = command.address](const core::Status& moved) {
    promoting_ = false;
    note_activity();
    log_.line(moved ? "promoted: serving " + path : "not promoted: failed to " + moved.error().message);
    const auto found = connections_.find(id);
    if (found != connections_.end()) found->second->send_last_answer(v1::encode(v1::PromotedAnswer{moved.ok()}));
    leave_when_done();
  });
}

void Server::say_v1_goodbyes() {
  for (const std::int64_t id : std::exchange(v1_goodbyes_, {})) {
    if (const auto found = connections_.find(id); found != connections_.end()) {
      found->second->send_last_answer(v1::encode(v1::ByeAnswer{}));
    }
  }
}

}  // namespace pf::ctl
