#include <pfcore/canon.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pf::core {
namespace {

constexpr std::string_view k_digits = "0123456789abcdef";

void put_hex(std::string& out, std::string_view bytes) {
  for (const char byte : bytes) {
    const auto bits = static_cast<std::uint8_t>(byte);
    out += k_digits[bits >> 4];
    out += k_digits[bits & 0xF];
  }
}

void put_double(std::string& out, double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int shift = 60; shift >= 0; shift -= 4) out += k_digits[(bits >> shift) & 0xF];
}

// Two's complement, little-endian, as the sign and the hexadecimal digits of the magnitude.
void put_big_int(std::string& out, std::string_view bytes) {
  const bool negative = (static_cast<std::uint8_t>(bytes.back()) & 0x80) != 0;
  std::string magnitude(bytes.rbegin(), bytes.rend());
  unsigned carry = negative ? 1 : 0;
  for (std::size_t i = magnitude.size(); i-- > 0;) {
    const unsigned byte = static_cast<std::uint8_t>(magnitude[i]);
    const unsigned sum = (negative ? 0xFF - byte : byte) + carry;
    magnitude[i] = static_cast<char>(sum & 0xFF);
    carry = sum >> 8;
  }
  std::string digits;
  put_hex(digits, magnitude);
  out += negative ? "i-0x" : "i0x";
  out.append(digits, digits.find_first_not_of('0'));
}

struct Brackets {
  std::string_view open;
  char close;
};

Brackets brackets(Kind kind) noexcept {
  switch (kind) {
    case Kind::tuple: return {"t(", ')'};
    case Kind::list: return {"l[", ']'};
    case Kind::dict: return {"d{", '}'};
    case Kind::set: return {"S{", '}'};
    default: return {"Z{", '}'};
  }
}

bool is_set(const Value& value) noexcept { return value.kind() == Kind::set || value.kind() == Kind::frozenset; }
bool is_walked(const Value& value) noexcept { return value.kind() >= Kind::tuple; }

// One text under construction, with its own numbering of containers.
struct Text {
  std::string text;
  std::unordered_map<const void*, std::size_t> numbers;
  std::size_t count = 0;
};

// A set has no order of its own. Its elements are first written each as a text of its own; in the order of those texts
// they are written, and numbered; and what was written is sorted again, since a reference may stand in it now.
struct SetWork {
  struct Element {
    std::string alone;
    Value value;
  };
  std::vector<Element> elements;
  bool ordered = false;
  bool writing_alone = false;
  std::vector<std::size_t> starts;  // in the text, of the elements written
};

struct Level {
  Value container;
  std::size_t next = 0;
  std::unique_ptr<SetWork> set;
};

class CanonWriter {
 public:
  explicit CanonWriter(std::size_t most_bytes) noexcept : most_bytes_(most_bytes) {}

  std::string write(const Value& root) {
    texts_.emplace_back();
    begin(root);
    while (!levels_.empty() && texts_.front().text.size() < most_bytes_) {
      Level& level = levels_.back();
      const bool more = level.set ? step_set(level) : level.container.kind() == Kind::dict ? step_dict(level) : step_sequence(level);
      if (more) continue;
      out() += brackets(level.container.kind()).close;
      levels_.pop_back();
    }
    std::string& text = texts_.front().text;
    text.resize(std::min(text.size(), most_bytes_));
    return std::move(text);
  }

 private:
  [[nodiscard]] std::string& out() { return texts_.back().text; }

  // True when the container was met before and a reference has been written.
  bool number(const Value& value) {
    if (value.identity() == nullptr) return false;
    Text& text = texts_.back();
    if (value.may_be_shared()) {
      const auto [known, is_new] = text.numbers.try_emplace(value.identity(), text.count);
      if (!is_new) {
        text.text += '@' + std::to_string(known->second);
        return true;
      }
    }
    ++text.count;
    return false;
  }

  void begin(const Value& value) {
    if (number(value)) return;
    if (!is_walked(value)) return put_scalar(value);
    out() += brackets(value.kind()).open;
    levels_.push_back({value, 0, is_set(value) ? std::make_unique<SetWork>() : nullptr});
  }

  void put_scalar(const Value& value) {
    std::string& to = out();
    switch (value.kind()) {
      case Kind::boolean: to += *value.as_bool() ? 'T' : 'F'; break;
      case Kind::integer: to += 'i' + std::to_string(*value.as_int()); break;
      case Kind::big_integer: put_big_int(to, *value.as_big_int()); break;
      case Kind::floating:
        to += 'f';
        put_double(to, *value.as_float());
        break;
      case Kind::complex:
        to += 'c';
        put_double(to, value.as_complex()->real);
        to += ':';
        put_double(to, value.as_complex()->imaginary);
        break;
      case Kind::str:
        to += 's';
        put_hex(to, *value.as_str());
        break;
      case Kind::bytes:
      case Kind::bytearray:
        to += value.kind() == Kind::bytes ? 'b' : 'B';
        put_hex(to, *value.as_bytes());
        break;
      default: to += 'N'; break;
    }
  }

  // The steps begin the next element and answer false when there is none. The level may move: begin() comes last.
  bool step_sequence(Level& level) {
    const auto items = level.container.items();
    if (level.next == items.size()) return false;
    if (level.next > 0) out() += ',';
    begin(items[level.next++]);
    return true;
  }

  bool step_dict(Level& level) {
    const auto entries = level.container.entries();
    if (level.next == 2 * entries.size()) return false;
    const bool is_key = level.next % 2 == 0;
    if (level.next > 0) out() += is_key ? ',' : '=';
    const DictEntry& entry = entries[level.next++ / 2];
    begin(is_key ? entry.key : entry.value);
    return true;
  }

  bool step_set(Level& level) {
    SetWork& work = *level.set;
    if (!work.ordered && step_alone(level)) return true;
    if (work.elements.size() == work.starts.size()) {
      sort_written(work);
      return false;
    }
    if (!work.starts.empty()) out() += ',';
    const Value next = work.elements[work.starts.size()].value;
    work.starts.push_back(out().size());
    begin(next);
    return true;
  }

  bool step_alone(Level& level) {
    SetWork& work = *level.set;
    const auto items = level.container.items();
    if (work.writing_alone) {
      work.elements.push_back({std::move(out()), items[level.next - 1]});
      texts_.pop_back();
      work.writing_alone = false;
    }
    if (level.next < items.size()) {
      work.writing_alone = true;
      texts_.emplace_back();
      begin(items[level.next++]);
      return true;
    }
    std::stable_sort(work.elements.begin(), work.elements.end(),
                     [](const auto& a, const auto& b) { return a.alone < b.alone; });
    work.ordered = true;
    return false;
  }

  void sort_written(const SetWork& work) {
    if (work.starts.empty()) return;
    std::string& to = out();
    std::vector<std::string> written;
    for (std::size_t i = 0; i < work.starts.size(); ++i) {
      const std::size_t end = i + 1 < work.starts.size() ? work.starts[i + 1] - 1 : to.size();
      written.push_back(to.substr(work.starts[i], end - work.starts[i]));
    }
    std::sort(written.begin(), written.end());
    to.resize(work.starts.front());
    for (std::size_t i = 0; i < written.size(); ++i) {
      if (i > 0) to += ',';
      to += written[i];
    }
  }

  std::size_t most_bytes_;
  std::vector<Text> texts_;
  std::vector<Level> levels_;
};

}  // namespace

std::string canonical_text(const Value& value, std::size_t most_bytes) { return CanonWriter(most_bytes).write(value); }

}  // namespace pf::core
