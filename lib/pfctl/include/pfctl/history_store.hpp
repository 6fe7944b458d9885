// Histories in files: one a suite, read before a plan is made and written when its runs are over. Files are replaced as a
// whole (written beside, synced, renamed): whoever reads one finds an old or a new one, never a part. Two daemons of one
// suite keep each other's records. A file that cannot be read or written is a line in the log, never a run's failure.
//
// Loop's thread only; what may wait for a disk is done on another thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <pfctl/daemon_log.hpp>
#include <pfctl/history.hpp>
#include <pfctl/loop.hpp>

namespace pf::ctl {

class HistoryStore {
 public:
  // The file need not be there, its folder must be.
  HistoryStore(Loop& loop, DaemonLog& log, std::string path);
  HistoryStore(const HistoryStore&) = delete;
  HistoryStore& operator=(const HistoryStore&) = delete;
  // Writes what is not written yet, here and now.
  ~HistoryStore();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // Reads the file first when it is another one than was read or written last.
  [[nodiscard]] History& history();
  // The history was changed: it is written soon, once for changes that come close together.
  void touch();

 private:
  // What tells one file from another.
  struct Identity {
    std::uint64_t dev = 0;
    std::uint64_t ino = 0;
    std::uint64_t size = 0;
    std::int64_t mtime_ns = 0;
    bool operator==(const Identity&) const = default;
  };
  struct Writing;

  [[nodiscard]] static Identity identify(const std::string& path);
  static void write(Writing& job);
  void refresh();
  void save();
  void on_written(const Writing& job);

  Loop& loop_;
  DaemonLog& log_;
  std::string path_;
  History history_;
  Identity known_;
  Timer timer_;
  bool is_dirty_ = false;
  bool is_writing_ = false;
  std::shared_ptr<HistoryStore*> alive_;   // null in it: a job that ends later has nobody to tell
};

// The stores of a daemon, by file. Those that were used last stay.
class HistoryStores {
 public:
  HistoryStores(Loop& loop, DaemonLog& log) noexcept : loop_(loop), log_(log) {}
  // Null for an empty path.
  [[nodiscard]] HistoryStore* find(const std::string& path);

 private:
  static constexpr std::size_t k_most = 8;

  Loop& loop_;
  DaemonLog& log_;
  std::vector<std::unique_ptr<HistoryStore>> stores_;   // used last: at the end
};

}  // namespace pf::ctl
