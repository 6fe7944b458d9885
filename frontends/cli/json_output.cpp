#include "json_output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include <pfcore/unique_fd.hpp>

namespace pf::cli {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const core::Value& value);

// PROTOCOL.md, "Phase": of a test that passed and has nothing to tell, a phase is (when, duration_s, cpu_s, start_s).
// Readers of --events see one form.
Json phase_json(const core::Value& phase) {
  if (phase.kind() != core::Kind::tuple || phase.items().size() < 4) return to_json(phase);
  const auto items = phase.items();
  Json out{{"when", to_json(items[0])}, {"outcome", "passed"}};
  constexpr const char* k_times[] = {"duration_s", "cpu_s", "start_s"};
  for (std::size_t i = 0; i < 3; ++i) out[k_times[i]] = to_json(items[i + 1]);
  if (out["when"] == "call") out.update(Json{{"category", "passed"}, {"letter", "."}, {"word", "PASSED"}});
  return out;
}

Json phases_json(const core::Value& phases) {
  Json out = Json::array();
  for (const core::Value& phase : phases.items()) out.push_back(phase_json(phase));
  return out;
}

// Events come from pfast's own daemon and nest a few levels; the decoder has bounded the depth.
Json to_json(const core::Value& value) {
  if (const auto flag = value.as_bool()) return *flag;
  if (const auto number = value.as_int()) return *number;
  if (const auto number = value.as_float()) return *number;
  if (const auto text = value.as_str()) return std::string(*text);
  if (const auto bytes = value.as_bytes()) return std::string(*bytes);
  if (value.is_none()) return nullptr;
  if (value.kind() != core::Kind::dict) {
    Json array = Json::array();
    for (const core::Value& item : value.items()) array.push_back(to_json(item));
    return array;
  }
  Json object = Json::object();
  for (const core::DictEntry& entry : value.entries()) {
    const auto key = entry.key.as_str();
    if (key) object[std::string(*key)] = *key == "phases" ? phases_json(entry.value) : to_json(entry.value);
  }
  return object;
}

std::string text_of(const Json& json, int indent = -1) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

core::Error write_error(const std::string& path, int err) { return core::Error::from_errno("write '" + path + "'", err); }

// Errors: errno.
int write_file(const std::string& path, int flags, std::string_view text) {
  const core::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0666));
  if (!fd) return errno;
  while (!text.empty()) {
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

// Where the file itself is, so that a symbolic link stays one.
std::string behind_links(const std::string& path) {
  char target[PATH_MAX];
  return ::realpath(path.c_str(), target) != nullptr ? std::string(target) : path;
}

}  // namespace

core::Status write_dump(const std::string& path, const Outcomes& outcomes) {
  const std::string text = text_of(Json(outcomes), 0) + "\n";
  if (path == "-") {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    return written ? core::ok_status() : core::Status(write_error("stdout", errno));
  }
  const std::string target = behind_links(path);
  struct stat info {};
  if (::stat(target.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    const int failure = write_file(target, 0, text);
    return failure == 0 ? core::ok_status() : core::Status(write_error(path, failure));
  }
  const std::string temporary = target + '.' + std::to_string(::getpid()) + ".tmp";
  int failure = write_file(temporary, O_CREAT | O_TRUNC | O_NOFOLLOW, text);
  if (failure == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) failure = errno;
  if (failure == 0) return core::ok_status();
  ::unlink(temporary.c_str());
  return write_error(path, failure);
}

EventWriter::~EventWriter() { (void)close(); }

core::Status EventWriter::open(const std::string& path) {
  path_ = path == "-" ? "stdout" : path;
  file_ = path == "-" ? ::fdopen(::fcntl(1, F_DUPFD_CLOEXEC, 3), "w") : std::fopen(path.c_str(), "we");
  if (file_ == nullptr) return write_error(path_, errno);
  return core::ok_status();
}

void EventWriter::note_failure() {
  if (failure_ == 0) failure_ = errno != 0 ? errno : EIO;
}

void EventWriter::write(const core::Value& event) {
  if (file_ == nullptr) return;
  Json line{{"v", 1}};
  const Json fields = to_json(event);
  for (const auto& [key, value] : fields.items()) line[key] = value;
  const std::string text = text_of(line) + "\n";
  // Whoever follows the file sees each event when it happens.
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() || std::fflush(file_) != 0) note_failure();
}

core::Status EventWriter::close() {
  if (file_ != nullptr && std::fclose(file_) != 0) note_failure();
  file_ = nullptr;
  if (failure_ == 0) return core::ok_status();
  return write_error(path_, failure_);
}

}  // namespace pf::cli
