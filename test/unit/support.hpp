// What every unit test program has: its own temporary directory, the test data, golden files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace pf::test {

// A fresh folder of this process. It is removed at the end of a successful run, kept and printed after a failure.
[[nodiscard]] const std::filesystem::path& temporary_directory();
// test/data in the source tree.
[[nodiscard]] std::filesystem::path data_directory();

[[nodiscard]] std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view content);

// Compares with a file below test/data, byte by byte. With PFAST_UPDATE_GOLDEN=1 in the environment the file is written
// instead. Returns an empty string when they are equal, else what differs and where.
[[nodiscard]] std::string compare_golden(const std::filesystem::path& name, std::string_view actual);

}  // namespace pf::test
