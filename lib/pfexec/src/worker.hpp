// A worker's dealings with the run board and with the daemon. The items themselves are run by pytest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>
#include <pfcore/run_board.hpp>

namespace pf::exec {

// The item that worker_claim() will begin; nullopt: nothing is left, or the run was stopped.
[[nodiscard]] std::optional<std::uint32_t> worker_reserve() noexcept;
// Are the reserved item's resources free for this process? Waits for at most 50 ms when they are not.
[[nodiscard]] bool worker_acquire() noexcept;
// The next item for this process, and the one that is expected after it.
[[nodiscard]] std::optional<core::Claim> worker_claim() noexcept;
[[nodiscard]] bool run_stopped() noexcept;
void stop_run() noexcept;
void worker_phase(core::ItemPhase phase) noexcept;

// The item in progress: phases are added as pytest reports them, then it is sent as one result. Returns the number of this
// try, 1 unless an earlier worker died of the item.
std::uint32_t begin_item(std::uint32_t item);
// Sends the try as one that another follows, which begins after `delay_s`. Returns its number.
std::uint32_t begin_try(double delay_s);
// Processor time, and in a measured run queueing, are those since the phase before it, or the beginning.
void add_phase(core::PhaseReport phase, std::string opaque);
// Serialised reports that the try in progress has so far.
[[nodiscard]] std::size_t opaque_reports() noexcept;
void add_fixture(core::FixtureReport fixture);
void add_profile(std::vector<std::string> lines);
// Takes back the phase that was added last.
void drop_phase();
// A serialised report, of phases that were added without theirs.
void add_opaque(std::string opaque);
// Sends what begin_item began, with its `testcase` for the controller, if there is one. A daemon that is gone ends the process.
void finish_item(std::string testcase);

void send_warning(const core::WarningReport& warning);
void send_worker_finished(core::WorkerFinished message);
// A measured run whose items pytest's own loop ran, in the controller: as a worker's.
void finish_inline_run();

}  // namespace pf::exec
