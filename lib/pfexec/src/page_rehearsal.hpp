// Pays a run's page faults before the run is there.
//
// A forked child copies a page when it first writes to it; a run of one test on a 200 MB image takes about 3,000 such
// faults, more time than the test. Runs resemble each other: a controller notes, once its verdict is sent, which pages it
// came to own, and a spare child writes to the same pages while it waits. No code of the suite is run for that.
//
// Source of the page states: Documentation/admin-guide/mm/pagemap.rst (Linux): bit 63 present, bit 56 exclusively mapped.
// Where /proc/self/pagemap cannot be read nothing is noted, and a spare is only as warm as its fork.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pf::exec {

class PageRehearsal {
 public:
  static PageRehearsal& instance() noexcept;

  // In the forkserver, before the first fork: the shared table. Does nothing the second time.
  void prepare() noexcept;
  // In a controller, at its very end.
  void note() noexcept;
  // In a spare child.
  void replay() const noexcept;

 private:
  struct Table;

  Table* table_ = nullptr;
};

}  // namespace pf::exec
