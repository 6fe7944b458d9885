// Checks of 10,000 unchanged files in 500 folders: by a stat walk, and while a watch of the folders has nothing to tell.
//
//     staleness_bench [ROUNDS]        milliseconds: median, least, most
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <pfcore/input_identity.hpp>
#include <pfctl/staleness.hpp>

namespace {

using Clock = std::chrono::steady_clock;

void print(const char* what, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  std::printf("%-28s %8.3f %8.3f %8.3f\n", what, times[times.size() / 2], times.front(), times.back());
}

template <typename Work>
double milliseconds(Work work) {
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 50;
  std::string folder = (fs::temp_directory_path() / "pfast-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  std::vector<pf::core::InputFile> inputs;
  for (int i = 0; i < 500; ++i) {
    const fs::path package = fs::path(folder) / ("package_" + std::to_string(i));
    fs::create_directory(package);
    for (int j = 0; j < 20; ++j) {
      const std::string file = package / ("test_" + std::to_string(j) + ".py");
      std::ofstream(file) << "def test(): pass\n";
      inputs.push_back(pf::core::identify_only(file));
    }
  }
  const auto later = std::chrono::system_clock::now() + std::chrono::hours(1);   // all settled
  std::vector<double> walks, first, watched;
  bool all_same = true;
  for (int i = 0; i < rounds; ++i) {
    const pf::ctl::InputSet set(inputs, {}, folder, later);
    first.push_back(milliseconds([&] { all_same = !set.file_change_at(later) && all_same; }));
    watched.push_back(milliseconds([&] { all_same = !set.file_change_at(later) && all_same; }));
    all_same = set.watched() && all_same;
    std::ofstream(inputs[0].path) << "def test(): pass\n";      // news: a walk, and the same content
    inputs[0] = pf::core::identify_only(inputs[0].path);
    const pf::ctl::InputSet fresh(inputs, {}, folder, later);
    (void)fresh.file_change_at(later);
    std::ofstream(fs::path(folder) / "package_1/test_0.py") << "def test(): pass\n";
    inputs[20] = pf::core::identify_only(inputs[20].path);
    walks.push_back(milliseconds([&] { (void)fresh.file_change_at(later); }));
  }
  fs::remove_all(folder);
  std::printf("%-28s %8s %8s %8s   ms, %zu files, %d rounds\n", "", "median", "least", "most", inputs.size(), rounds);
  print("first check, starts a watch", first);
  print("a walk", walks);
  print("the watch has no news", watched);
  return all_same ? 0 : 1;
}
