// What `ps` and `top` show of a process: who it is and which test it runs.
//
// The kernel shows the bytes between the first argument and the last one; a title is written over them. The room comes with
// the program's own arguments (the daemon passes a long one for it), so that the environment behind them, which others read in
// /proc, stays what it was. Children inherit the room. Not thread-safe: called by the main thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace pf::exec {

inline constexpr std::size_t k_title_room = 240;

// Takes the arguments' memory over. Without it the functions below do nothing.
void claim_title_room(int argc, char** argv) noexcept;

// "pfast worker gw0"; cut to the room. `name`: what the kernel calls the process itself (15 bytes), empty = left as it is.
void set_title(std::string_view title, std::string_view name = {}) noexcept;

// Title ": " detail, e.g. the test that runs. The title stays. A memory copy: cheap enough for every test.
void set_title_detail(std::string_view detail) noexcept;

}  // namespace pf::exec
