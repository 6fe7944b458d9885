// The runs behind one `bench` command of version 1: which follow each other, and what is told at the end. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pfcore/bench_figures.hpp>

namespace pf::ctl {

class V1Bench {
 public:
  // What the next run is to measure (RunOptions.measure), and of which node ids; none: of all.
  struct Turn {
    std::string measure;
    std::vector<std::string> nodeids;
  };

  // `runs`: as the command has it; the first of several is a warm-up and counts in no figure.
  explicit V1Bench(std::int64_t runs);

  [[nodiscard]] static Turn first() { return {"fixtures", {}}; }
  // A run has ended: `complete` when another one is to follow it. nullopt: there is none, and text() is due.
  [[nodiscard]] std::optional<Turn> next(core::RunFigures figures, bool complete);
  // The run that ended last was one of those that are timed.
  [[nodiscard]] bool timed() const noexcept { return !profiled_; }
  // Empty when nothing was measured.
  [[nodiscard]] std::string text() const;

 private:
  std::int64_t runs_;
  std::int64_t done_ = 0;
  bool profiled_ = false;
  core::BenchFigures figures_;
};

}  // namespace pf::ctl
