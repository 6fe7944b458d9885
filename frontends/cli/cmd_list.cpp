// `pfast list`: every daemon of this user's runtime directory.
#include <cstdio>

#include <nlohmann/json.hpp>

#include <pfctl/environment.hpp>

#include "ask_daemon.hpp"
#include "commands.hpp"
#include "context.hpp"
#include "exit_codes.hpp"
#include "say.hpp"

namespace pf::cli {
namespace {

// One that was stopped must not keep the others from being listed.
constexpr std::chrono::milliseconds k_list_patience{1000};

struct Row {
  std::string address;
  std::string root;
  std::string python;
  std::int64_t pid = 0;
  const char* state = "gone";        // "running"; "gone": it left files behind; "silent": it does not answer
};

Row look_at(const ctl::KnownAddress& known) {
  Row row{known.address.socket_path(), known.root, known.interpreter};
  const auto connection = connect_to_existing(known.address, k_list_patience);
  if (connection) {
    row.pid = connection->welcome().pid;
    row.state = "running";
  } else if (connection.error().code != core::ErrorCode::not_found) {
    row.pid = ctl::read_pid(known.address);
    row.state = "silent";
  }
  return row;
}

void print_json(const std::vector<Row>& rows) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    out.push_back({{"root", row.root}, {"python", row.python}, {"pid", row.pid}, {"state", row.state}, {"address", row.address}});
  }
  std::printf("%s\n", out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

}  // namespace

int list_command(const ListOptions& options) {
  auto dir = ctl::open_runtime_dir(ctl::current_environment());
  if (!dir) return refuse(k_exit_runtime_dir, dir.error());
  auto known = ctl::list_addresses(*dir);
  if (!known) return refuse(k_exit_runtime_dir, known.error());
  std::vector<Row> rows;
  for (const ctl::KnownAddress& entry : *known) rows.push_back(look_at(entry));
  if (options.json) {
    print_json(rows);
    return 0;
  }
  for (const Row& row : rows) {
    std::printf("%-8s %8lld  %s  (%s)\n", row.state, static_cast<long long>(row.pid), row.root.c_str(), row.python.c_str());
  }
  if (rows.empty()) std::printf("no daemons in %s\n", dir->path.c_str());
  return 0;
}

}  // namespace pf::cli
