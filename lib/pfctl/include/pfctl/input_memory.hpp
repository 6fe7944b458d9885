// What the inputs of all generations held when somebody last looked at them: a new generation may have read a save that nobody
// was told of, because it came after the generation before it was let go and before the new one was watched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <pfcore/messages.hpp>

namespace pf::ctl {

// Thread-safe. 40 bytes an input: hashes of paths and of contents; two of the same hash cost one notice.
class InputMemory {
 public:
  // A generation is seen for the first time, as it read its inputs. Up to `most` paths that are remembered as something else, and
  // files that are new in a folder whose entries are. Remembers all of them. Nothing is remembered: no news.
  [[nodiscard]] std::vector<std::string> meet(const std::vector<const core::InputFile*>& inputs, std::size_t most);
  // Somebody is told that this input is no longer what it was. `content_hash`: of now, "" = it is not there.
  void set(const core::InputFile& input, std::string_view content_hash);
  // More has changed than can be named.
  void forget();

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint64_t> contents_;   // by path
};

}  // namespace pf::ctl
