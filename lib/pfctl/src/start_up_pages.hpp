// Gives back what only the start of a long-lived process needed.
#pragma once

namespace pf::ctl {

// The program's own code leaves this process' memory; what is used again comes back from the page cache, a few pages at a time.
// Reading options and settings is most of the program, and a daemon does it once.
void drop_start_up_pages() noexcept;

}  // namespace pf::ctl
