// A worker that is a process of its own (start method "spawn"): it is told by its controller what it is, and collects for itself.
#include <pfexec/forkserver.hpp>

#include <optional>
#include <utility>
#include <vector>

#include "controller.hpp"
#include "process_state.hpp"
#include "process_title.hpp"
#include "python_adapter.hpp"

namespace pf::exec {
namespace {

constexpr std::size_t k_boot_fds = 6;     // board, channel, and the four files of its last words

std::optional<core::WorkerBoot> receive_boot(core::FrameSocket& inbox) {
  auto frame = inbox.receive();
  if (!frame || !frame->has_value() || (*frame)->fds.size() != k_boot_fds) return std::nullopt;
  auto document = core::decode_pickle((*frame)->payload, core::Limits::result());
  if (!document) return std::nullopt;
  auto boot = core::decode_as<core::WorkerBoot>(document->root());
  if (!boot || boot->slot < 0) return std::nullopt;
  std::vector<core::UniqueFd>& fds = (*frame)->fds;
  auto board = MappedBoard::map(fds[0]);
  if (!board) return std::nullopt;
  ProcessState& state = ProcessState::current();
  state.role = Role::worker;
  state.slot = static_cast<std::size_t>(boot->slot);
  state.started_s = monotonic_s();
  state.board = std::move(board).value();
  state.results = core::FrameSocket(std::move(fds[1]));
  state.last_words.out = std::move(fds[2]);
  state.last_words.err = std::move(fds[3]);
  state.last_words.stacks = std::move(fds[4]);
  state.last_words.notes = std::move(fds[5]);
  return std::move(*boot);
}

}  // namespace

int run_worker(WorkerOptions options) {
  core::FrameSocket inbox(std::move(options.channel));
  ProcessState::current().python = options.python;
  const auto boot = receive_boot(inbox);
  if (!boot || ProcessState::current().slot >= ProcessState::current().board->board().workers()) return 1;
  inbox.close();
  show_worker(ProcessState::current().slot);
  set_title_detail("collecting");
  run_worker_with_pytest(*boot, options.adapter_dir);
  return 1;
}

}  // namespace pf::exec
