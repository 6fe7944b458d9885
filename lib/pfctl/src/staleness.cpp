#include <pfctl/staleness.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <set>
#include <utility>

#include <pfcore/input_identity.hpp>
#include <pfcore/unique_fd.hpp>
#include <pfctl/input_memory.hpp>

#include "file_watch.hpp"

namespace pf::ctl {
namespace {

// A watch that is lost again and again costs more than it saves.
constexpr int k_watches = 16;

enum class Verdict : std::uint8_t { same, suspect, changed, deleted, created };

struct Input {
  core::InputFile file;
  std::uint32_t name = 0;        // where the last component of file.path starts
  bool unsettled = false;        // changed so recently that an equal identity proves nothing
};

std::uint32_t kind(std::uint64_t mode) noexcept { return static_cast<std::uint32_t>(mode) & S_IFMT; }
bool is_folder(const core::InputFile& file) noexcept { return kind(file.mode) == S_IFDIR; }

std::int64_t to_ns(SystemTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::int64_t to_ns(const struct timespec& time) noexcept { return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec; }

std::uint64_t mixed(std::uint64_t sum, const core::InputFile& file) noexcept {
  for (const std::uint64_t part : {file.dev, file.ino, file.mode, file.size, static_cast<std::uint64_t>(file.mtime_ns), static_cast<std::uint64_t>(file.ctime_ns)}) {
    sum = (sum ^ part) * 0x9E3779B97F4A7C15u;
    sum ^= sum >> 29;
  }
  return sum;
}

// Identity of `name` in the folder, into the fields of `file` that are not its path or hash. mode 0: not there.
void look_at(int folder_fd, const char* name, core::InputFile& file) noexcept {
  struct stat info{};
  if (::fstatat(folder_fd, name, &info, 0) != 0) info = {};
  file.dev = info.st_dev;
  file.ino = info.st_ino;
  file.mode = info.st_mode;
  file.size = static_cast<std::uint64_t>(info.st_size);
  file.mtime_ns = to_ns(info.st_mtim);
  file.ctime_ns = to_ns(info.st_ctim);
}

}  // namespace

struct InputSet::State {
  std::mutex mutex;
  EnvironmentKey environment;
  std::string root;                          // with a slash at its end, or empty
  std::vector<Input> inputs;
  std::vector<std::uint32_t> by_folder;      // indices into inputs: those of one folder side by side

  std::optional<FileWatch> watch;
  bool proved = false;                       // nothing had changed when the watch was already there
  int watches = 0;
  std::string watch_problem;

  // What the identities say; `suspects` are to be compared by content. First verdict in order of the inputs.
  struct Findings {
    std::vector<std::pair<std::uint32_t, core::InputFile>> suspects;   // index, identity now
    std::uint32_t index = 0;
    Verdict verdict = Verdict::same;
    std::vector<std::uint32_t> changed;      // certainly, and as many as were asked for
    std::uint64_t fingerprint = 0;
  };
  Findings compare_identities(std::size_t most = 0);
  void start_watch();
  [[nodiscard]] InputSummary summary() const;
  FileWatch::News read_watch();
  // True when it is certain without a walk that all inputs are what they were.
  [[nodiscard]] bool is_quiet();
  [[nodiscard]] bool is_settled(const Input& input) const { return !input.unsettled || input.file.content_hash.empty(); }
  // The first change among the suspects; goes on until `changed` has `most`.
  std::optional<std::string> compare_contents(Findings& findings, std::int64_t now_ns, std::size_t most = 0);
  void prove();
  void remember(const std::vector<std::uint32_t>& changed, std::size_t most, InputMemory& memory) const;
  [[nodiscard]] std::string reason(Verdict verdict, const Input& input) const;
  [[nodiscard]] std::string_view folder_of(std::uint32_t index) const {
    return std::string_view(inputs[index].file.path).substr(0, inputs[index].name);
  }
};

namespace {

Verdict compare(const Input& input, const core::InputFile& now) noexcept {
  const core::InputFile& was = input.file;
  if (was.mode == 0) return now.mode == 0 ? Verdict::same : Verdict::created;
  if (now.mode == 0) return Verdict::deleted;
  if (was.ino == 0) return kind(was.mode) == kind(now.mode) ? Verdict::same : Verdict::changed;
  if (core::same_identity(was, now)) return input.unsettled && !was.content_hash.empty() ? Verdict::suspect : Verdict::same;
  return kind(was.mode) == kind(now.mode) && !was.content_hash.empty() ? Verdict::suspect : Verdict::changed;
}

}  // namespace

InputSet::InputSet() : state_(std::make_unique<State>()) {}
InputSet::InputSet(InputSet&&) noexcept = default;
InputSet& InputSet::operator=(InputSet&&) noexcept = default;
InputSet::~InputSet() = default;

InputSet::InputSet(std::vector<core::InputFile> inputs, EnvironmentKey environment, std::string root, SystemTime boot_started)
    : InputSet() {
  state_->environment = std::move(environment);
  state_->root = std::move(root);
  if (!state_->root.empty() && state_->root.back() != '/') state_->root += '/';
  const std::int64_t boot_ns = to_ns(boot_started);
  state_->inputs.reserve(inputs.size());
  for (core::InputFile& file : inputs) {
    Input input;
    input.name = static_cast<std::uint32_t>(file.path.rfind('/') + 1);
    input.unsettled = file.ino != 0 && (core::is_racy(file, boot_ns) || file.mtime_ns > boot_ns - core::k_racy_ns);
    input.file = std::move(file);
    state_->inputs.push_back(std::move(input));
  }
  std::vector<std::uint32_t>& order = state_->by_folder;
  order.resize(state_->inputs.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [this](std::uint32_t a, std::uint32_t b) { return state_->folder_of(a) < state_->folder_of(b); });
}

InputSet InputSet::from(core::BootReady ready, const core::Environment& boot, std::string root, SystemTime boot_started) {
  EnvironmentKey environment(boot, ready);
  return {std::move(ready.inputs), std::move(environment), std::move(root), boot_started};
}

InputSet InputSet::from(core::BootFailed failed, std::string root, SystemTime boot_started) {
  return {std::move(failed.inputs), EnvironmentKey(), std::move(root), boot_started};
}

// One open per folder and one fstatat of a single name per input: half the time of stat with whole paths.
InputSet::State::Findings InputSet::State::compare_identities(std::size_t most) {
  Findings findings;
  core::UniqueFd folder;
  std::string_view folder_path;
  core::InputFile now;
  for (const std::uint32_t index : by_folder) {
    const Input& input = inputs[index];
    if (const std::string_view path = folder_of(index); path != folder_path) {
      folder_path = path;
      folder.reset(::open(std::string(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    // No descriptor (none left, no such folder, the root folder itself): the whole path tells.
    const bool relative = folder.valid() && input.name < input.file.path.size();
    look_at(relative ? folder.get() : AT_FDCWD, input.file.path.c_str() + (relative ? input.name : 0), now);
    const Verdict verdict = compare(input, now);
    findings.fingerprint = mixed(findings.fingerprint, now);
    if (verdict == Verdict::same) continue;
    if (verdict == Verdict::suspect) {
      findings.suspects.emplace_back(index, now);
      continue;
    }
    if (findings.changed.size() < most) findings.changed.push_back(index);
    if (findings.verdict == Verdict::same || index < findings.index) {
      findings.verdict = verdict;
      findings.index = index;
    }
  }
  return findings;
}

std::optional<std::string> InputSet::State::compare_contents(Findings& findings, std::int64_t now_ns, std::size_t most) {
  std::optional<std::string> first;
  // Files before folders: a changed or missing file is the better reason.
  std::sort(findings.suspects.begin(), findings.suspects.end(), [](const auto& a, const auto& b) {
    return std::pair(is_folder(a.second), a.first) < std::pair(is_folder(b.second), b.first);
  });
  for (auto& [index, now] : findings.suspects) {
    Input& input = inputs[index];
    const std::string& path = input.file.path;
    const std::string hash = is_folder(now) ? core::hash_listing(path) : core::hash_file(path);
    if (hash != input.file.content_hash) {
      if (!first) first = reason(Verdict::changed, input);
      if (findings.changed.size() < most) findings.changed.push_back(index);
      if (findings.changed.size() >= most) return first;
      continue;
    }
    // `now` was taken before the content was read: an edit in between leaves another identity for the next check, unless
    // the file is as young as that.
    now.path = std::move(input.file.path);
    now.content_hash = std::move(input.file.content_hash);
    input.file = std::move(now);
    input.unsettled = core::is_racy(input.file, now_ns);
  }
  return first;
}

// No walk is needed until something happens: nothing had changed when the watch was already there, and all of it is watched.
void InputSet::State::prove() {
  proved = watch && watch->complete() && std::all_of(inputs.begin(), inputs.end(), [this](const Input& input) { return is_settled(input); });
  if (watch && !watch->complete()) watch.reset();
}

std::string InputSet::State::reason(Verdict verdict, const Input& input) const {
  std::string_view path = input.file.path;
  if (!root.empty() && path.starts_with(root)) path.remove_prefix(root.size());
  else if (path.size() + 1 == root.size() && root.starts_with(path)) path = ".";
  std::string text = verdict == Verdict::created ? "new: " : verdict == Verdict::deleted ? "deleted: " : "changed: ";
  text += path;
  if (verdict == Verdict::changed && is_folder(input.file)) text += "/ (files came or went)";
  return text;
}

std::optional<std::string> InputSet::check(const core::Environment& client) const {
  if (auto change = environment_change(client)) return change;
  return file_change();
}

std::optional<std::string> InputSet::environment_change(const core::Environment& client) const {
  return state_->environment.change(client);
}

std::optional<std::string> InputSet::file_change() const { return file_change_at(std::chrono::system_clock::now()); }

bool InputSet::is_certainly_unchanged() const {
  const std::unique_lock lock(state_->mutex, std::try_to_lock);
  return lock.owns_lock() && state_->is_quiet();
}

std::optional<std::string> InputSet::file_change_at(SystemTime now) const {
  const std::lock_guard lock(state_->mutex);
  State& state = *state_;
  if (state.is_quiet()) return std::nullopt;
  state.proved = false;
  // Before the walk: what happens in between is news.
  if (!state.watch) state.start_watch();
  State::Findings findings = state.compare_identities();
  // Certain already: no need to read the files of a checkout of thousands.
  if (findings.verdict != Verdict::same) return state.reason(findings.verdict, state.inputs[findings.index]);
  if (auto change = state.compare_contents(findings, to_ns(now))) return change;
  state.prove();
  return std::nullopt;
}

InputLook InputSet::look(std::size_t most, InputMemory* memory) const {
  const std::lock_guard lock(state_->mutex);
  State& state = *state_;
  state.proved = false;
  if (!state.watch) state.start_watch();
  State::Findings findings = state.compare_identities(most);
  InputLook look;
  look.fingerprint = findings.fingerprint;
  if (findings.verdict != Verdict::same) look.change = state.reason(findings.verdict, state.inputs[findings.index]);
  if (!look.change || findings.changed.size() < most) {
    auto change = state.compare_contents(findings, to_ns(std::chrono::system_clock::now()), most);
    if (!look.change) look.change = std::move(change);
  }
  for (const std::uint32_t index : findings.changed) look.paths.push_back(state.inputs[index].file.path);
  if (memory != nullptr) state.remember(findings.changed, most, *memory);
  if (!look.change) state.prove();
  return look;
}

void InputSet::State::remember(const std::vector<std::uint32_t>& changed, std::size_t most, InputMemory& memory) const {
  if (changed.size() >= most) return memory.forget();
  for (const bool hashed : {false, true}) {          // of a path that is recorded twice the content has the last word
    for (const std::uint32_t index : changed) {
      const core::InputFile& file = inputs[index].file;
      if (file.content_hash.empty() == hashed) continue;
      memory.set(file, is_folder(file) ? core::hash_listing(file.path) : core::hash_file(file.path));
    }
  }
}

std::vector<std::string> InputSet::meet(InputMemory& memory, std::size_t most) const {
  const std::lock_guard lock(state_->mutex);
  std::vector<const core::InputFile*> files;
  files.reserve(state_->inputs.size());
  for (const Input& input : state_->inputs) files.push_back(&input.file);
  return memory.meet(files, most);
}

core::Result<core::UniqueFd> InputSet::news_descriptor() const {
  const std::lock_guard lock(state_->mutex);
  return state_->watch ? state_->watch->copy_descriptor() : core::UniqueFd();
}

std::optional<bool> InputSet::take_news() const {
  const std::unique_lock lock(state_->mutex, std::try_to_lock);
  if (!lock.owns_lock()) return std::nullopt;
  return !state_->watch || state_->read_watch() != FileWatch::News::none;
}

std::optional<std::size_t> InputSet::first_changed() const {
  const std::lock_guard lock(state_->mutex);
  State& state = *state_;
  State::Findings findings = state.compare_identities();
  std::optional<std::size_t> first;
  if (findings.verdict != Verdict::same) first = findings.index;
  std::sort(findings.suspects.begin(), findings.suspects.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [index, now] : findings.suspects) {
    if (first && index > *first) break;
    const core::InputFile& was = state.inputs[index].file;
    if ((is_folder(now) ? core::hash_listing(was.path) : core::hash_file(was.path)) != was.content_hash) return index;
  }
  return first;
}

const std::string& InputSet::path(std::size_t index) const { return state_->inputs[index].file.path; }

void InputSet::State::start_watch() {
  if (watches >= k_watches) return;
  ++watches;
  std::vector<FileWatch::Path> paths;
  paths.reserve(inputs.size());
  for (const Input& input : inputs) {
    const core::InputFile& file = input.file;
    paths.push_back({file.path, input.name, is_folder(file), file.mode == 0, !file.content_hash.empty() && !is_folder(file)});
  }
  auto started = FileWatch::start(paths, by_folder);
  if (started) {
    watch.emplace(std::move(*started));
    return;
  }
  watch_problem = started.error().message;
  watches = k_watches;
}

FileWatch::News InputSet::State::read_watch() {
  const FileWatch::News news = watch->take_news();
  if (news == FileWatch::News::lost) {
    watch.reset();
    if (watches >= k_watches) watch_problem = "the folders are moved, or busy, too often";
  }
  if (news != FileWatch::News::none) proved = false;   // the news are taken: whoever asks next must walk
  return news;
}

bool InputSet::State::is_quiet() {
  if (!watch || read_watch() == FileWatch::News::lost || !proved) return false;
  core::InputFile now;
  return std::all_of(watch->unwatched().begin(), watch->unwatched().end(), [&](std::uint32_t index) {
    look_at(AT_FDCWD, inputs[index].file.path.c_str(), now);
    return compare(inputs[index], now) == Verdict::same;
  });
}

std::string InputSet::watch_problem() const {
  const std::lock_guard lock(state_->mutex);
  return state_->watch_problem;
}

bool InputSet::watched() const {
  const std::lock_guard lock(state_->mutex);
  return state_->watch && state_->proved;
}

InputSummary InputSet::State::summary() const {
  InputSummary out;
  out.inputs = inputs.size();
  out.variables = environment.names();
  out.watched = watch && proved;
  out.watch_problem = watch_problem;
  std::set<std::string_view> folders;
  for (std::uint32_t index = 0; index < inputs.size(); ++index) {
    const core::InputFile& file = inputs[index].file;
    out.folders += is_folder(file) ? 1 : 0;
    out.absent += file.mode == 0 ? 1 : 0;
    if (is_folder(file)) folders.insert(file.path);
    if (const std::string_view folder = folder_of(index); file.mode != 0 && folder.size() > 1) folders.insert(folder.substr(0, folder.size() - 1));
  }
  out.watch_folders = watch ? watch->folders() : folders.size();
  return out;
}

std::optional<InputSummary> InputSet::summary() const {
  const std::unique_lock lock(state_->mutex, std::try_to_lock);
  if (!lock.owns_lock()) return std::nullopt;
  return state_->summary();
}

std::size_t InputSet::size() const noexcept { return state_->inputs.size(); }

std::vector<std::string> InputSet::paths() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> out;
  out.reserve(state_->inputs.size());
  for (const Input& input : state_->inputs) out.push_back(input.file.path);
  return out;
}

std::size_t InputSet::unsettled() const {
  const std::lock_guard lock(state_->mutex);
  return static_cast<std::size_t>(
      std::count_if(state_->inputs.begin(), state_->inputs.end(), [this](const Input& input) { return !state_->is_settled(input); }));
}

}  // namespace pf::ctl
