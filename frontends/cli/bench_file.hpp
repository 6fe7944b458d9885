// Benches as JSON files: what --bench-save writes and --bench-compare reads.
//
//   {"pfast_bench": 1, "pfast": "0.10.0", "python": "3.11", "workers": 2, "processors": 2, "walls_ns": [n, …],
//    "tests": {"node id": {"own_ns": [n, …], "cpu_ns": [n, …]}, …}}
//
// A number a run; whole nanoseconds. "pfast_bench" is the format's version: another one is refused. Other keys are ignored.
#pragma once

#include <string>

#include <pfcore/bench_compare.hpp>
#include <pfcore/result.hpp>

namespace pf::cli {

// The file is there whole or as it was before.
[[nodiscard]] core::Status save_bench(const std::string& path, const core::BenchRecord& record);
// Errors: system; malformed, with what is wrong and where; limit when it is larger than 256 MiB.
[[nodiscard]] core::Result<core::BenchRecord> load_bench(const std::string& path);

}  // namespace pf::cli
