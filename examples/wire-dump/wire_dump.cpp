// Prints a captured stream of frames as JSON, one line a frame: what pfast (protocol 2) or pytest-fast 0.9.3 (protocol 1)
// said to its peer. Reads the files that are named, or stdin.
//
// A frame that does not decode is told on stderr, with its offset in the stream and the reason, and the next one follows; the
// exit code is 1 then, and 2 when a file cannot be read or its stream is lost.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include <pfcore/frame.hpp>
#include <pfcore/pickle_reader.hpp>

using Json = nlohmann::ordered_json;
using namespace pf::core;

namespace {

std::string hex(std::string_view bytes) {
  static constexpr char k_digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += k_digits[byte >> 4];
    out += k_digits[byte & 15];
  }
  return out;
}

// What JSON has no word for becomes an object with one key: {"bytes": hex}, {"tuple": […]}, {"dict": [[key, value]…]}.
class Printer {
 public:
  Json json(const Value& value) {
    if (const auto flag = value.as_bool()) return *flag;
    if (const auto number = value.as_int()) return *number;
    if (const auto number = value.as_float()) return *number;
    if (const auto text = value.as_str()) return std::string(*text);
    if (const auto bytes = value.as_bytes()) return {{"bytes", hex(*bytes)}};
    if (const auto big = value.as_big_int()) return {{"int, little-endian", hex(*big)}};
    if (const auto parts = value.as_complex()) return {{"complex", {parts->real, parts->imaginary}}};
    if (value.is_none()) return nullptr;
    const void* identity = value.identity();
    if (identity != nullptr && !open_.insert(identity).second) return {{"cycle", true}};
    Json out = value.kind() == Kind::dict ? dict(value) : sequence(value);
    if (identity != nullptr) open_.erase(identity);
    return out;
  }

 private:
  Json sequence(const Value& value) {
    Json array = Json::array();
    for (const Value& item : value.items()) array.push_back(json(item));
    switch (value.kind()) {
      case Kind::tuple: return {{"tuple", std::move(array)}};
      case Kind::set: return {{"set", std::move(array)}};
      case Kind::frozenset: return {{"frozenset", std::move(array)}};
      default: return array;
    }
  }

  Json dict(const Value& value) {
    Json object = Json::object();
    for (const DictEntry& entry : value.entries()) {
      const auto key = entry.key.as_str();
      if (!key) return pairs(value);
      object[std::string(*key)] = json(entry.value);
    }
    return object;
  }

  Json pairs(const Value& value) {
    Json array = Json::array();
    for (const DictEntry& entry : value.entries()) array.push_back({json(entry.key), json(entry.value)});
    return {{"dict", std::move(array)}};
  }

  std::set<const void*> open_;   // containers that are being printed
};

// 0, 1 or 2, as the exit code.
int dump(std::istream& in, const std::string& name) {
  FrameReader reader;
  std::uint64_t offset = 0;      // of the frame that comes next
  int worst = 0;
  char block[65536];
  while (in.read(block, sizeof block), in.gcount() > 0) {
    reader.feed({block, static_cast<std::size_t>(in.gcount())});
    for (;;) {
      auto payload = reader.next();
      if (!payload) {
        std::cerr << name << ": frame at byte " << offset << ": " << payload.error().message << '\n';
        return 2;
      }
      if (!payload->has_value()) break;
      Limits limits = Limits::result();
      limits.max_depth = 512;    // the printer is recursive
      auto document = decode_pickle(**payload, limits, Texts::borrowed);
      if (document) {
        std::cout << Printer().json(document->root()).dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
      } else {
        std::cerr << name << ": frame at byte " << offset << ": " << document.error().message << " at byte "
                  << document.error().offset << " of its payload\n";
        worst = 1;
      }
      offset += k_frame_header_bytes + (*payload)->size();
    }
  }
  if (reader.pending_bytes() > 0) {
    std::cerr << name << ": the stream ends within the frame at byte " << offset << '\n';
    worst = std::max(worst, 1);
  }
  return worst;
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  if (argc < 2) return dump(std::cin, "stdin");
  int worst = 0;
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::cerr << argv[i] << ": cannot be read\n";
      worst = 2;
      continue;
    }
    worst = std::max(worst, dump(file, argv[i]));
  }
  return worst;
}
