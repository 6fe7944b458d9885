#include "pytest_args.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace pf::cli {
namespace {

constexpr std::array<std::string_view, 18> k_printing{
    "--collect-only", "--collectonly",       "--co",      "--help",       "-h",           "--version",   "-V",           "--fixtures",  "--funcargs",
    "--markers",      "--fixtures-per-test", "--cache-show", "--setup-only", "--setuponly", "--setup-show", "--setupshow", "--setup-plan", "--setupplan"};

// Short options that take a value: the rest of their argument, or the next one, is it.
constexpr std::string_view k_short_with_value = "kmprcoWn";

bool is_printing(std::string_view text) {
  const auto same = [text](std::string_view name) { return text == name || (name == "--cache-show" && text.starts_with("--cache-show=")); };
  return std::any_of(k_printing.begin(), k_printing.end(), same);
}

// Goes through the arguments as argparse would, as far as that can be done without knowing every plugin's options.
class Reader {
 public:
  explicit Reader(const std::vector<std::string>& arguments) : arguments_(arguments) {}

  PytestArgs read() {
    for (; index_ < arguments_.size(); ++index_) {
      const std::string& text = arguments_[index_];
      if (text == "--") break;
      if (is_printing(text)) out_.prints = true;
      else if (text.starts_with("--")) read_long(text);
      else if (text.size() > 1 && text.front() == '-') read_short(text);
    }
    out_.style.verbosity = out_.verbosity;
    return std::move(out_);
  }

 private:
  // The value of "--name=value" or "--name value".
  std::optional<std::string> value_of(std::string_view name) {
    const std::string& text = arguments_[index_];
    if (text == name) {
      if (index_ + 1 >= arguments_.size()) return std::nullopt;
      return arguments_[++index_];
    }
    if (text.starts_with(name) && text.size() > name.size() && text[name.size()] == '=') return text.substr(name.size() + 1);
    return std::nullopt;
  }

  void read_capture(std::string_view how) { out_.captures = how != "no"; }

  void read_short(const std::string& text) {
    for (std::size_t i = 1; i < text.size(); ++i) {
      const char letter = text[i];
      if (letter == 'v') ++out_.verbosity;
      else if (letter == 'q') --out_.verbosity;
      else if (letter == 's') read_capture("no");
      else if (k_short_with_value.find(letter) != std::string_view::npos) {
        std::string value = text.substr(i + 1);
        if (value.empty() && index_ + 1 < arguments_.size()) value = arguments_[++index_];
        if (letter == 'r') out_.style.report_chars = value;
        return;
      }
    }
  }

  bool read_flag(std::string_view text) {
    core::TextStyle& style = out_.style;
    if (text == "--verbose") ++out_.verbosity;
    else if (text == "--quiet") --out_.verbosity;
    else if (text == "--no-header") out_.no_header = true;
    else if (text == "--no-summary") style.no_summary = true;
    else if (text == "--disable-warnings" || text == "--disable-pytest-warnings") style.show_warnings = false;
    else if (text == "--no-fold-skipped") style.fold_skips = false;
    else if (text == "--xfail-tb") style.xfail_tb = true;
    else if (text == "--force-short-summary") style.short_reasons = true;
    else if (text == "--full-trace" || text == "--fulltrace") style.full_trace = true;
    else if (text == "--pdb" || text == "--trace") out_.interactive = true;
    else return false;
    return true;
  }

  void read_long(std::string_view text) {
    core::TextStyle& style = out_.style;
    if (read_flag(text)) return;
    if (const auto verbosity = value_of("--verbosity")) out_.verbosity = std::atoi(verbosity->c_str());
    else if (auto color = value_of("--color")) out_.color = std::move(color);
    else if (auto rootdir = value_of("--rootdir")) out_.rootdir = std::move(rootdir);
    else if (const auto capture = value_of("--capture")) read_capture(*capture);
    else if (value_of("--pdbcls")) out_.interactive = true;
    else if (auto tb = value_of("--tb")) style.tb = std::move(*tb);
    else if (const auto show = value_of("--show-capture")) style.show_capture = *show != "no";
    else if (const auto durations = value_of("--durations")) style.durations = std::atoi(durations->c_str());
    else if (const auto least = value_of("--durations-min")) {
      style.durations_min_s = std::strtod(least->c_str(), nullptr);
      style.durations_min_given = true;
    }
  }

  const std::vector<std::string>& arguments_;
  std::size_t index_ = 0;
  PytestArgs out_;
};

}  // namespace

PytestArgs read_pytest_args(const std::vector<std::string>& arguments) { return Reader(arguments).read(); }

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool next_is_escaped = c == '\\' && quote != '\'' && i + 1 < text.size();
    if (next_is_escaped && (quote == '\0' || text[i + 1] == '"' || text[i + 1] == '\\')) {
      word += text[++i];
      in_word = true;
    } else if (quote != '\0') {
      if (c == quote) quote = '\0';
      else word += c;
    } else if (c == '\'' || c == '"') {
      quote = c;
      in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      if (in_word) words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (in_word) words.push_back(std::move(word));
  return words;
}

}  // namespace pf::cli
