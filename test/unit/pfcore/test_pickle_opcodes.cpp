// Every byte that can stand where an opcode does.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>

#include "pickles.hpp"

using namespace pf::core;
using namespace std::string_literals;
using namespace std::string_view_literals;
using pf::test::decoded;
using pf::test::refusal;

namespace {

// An opcode that is read: its byte, its name, a pickle with it, and the value.
struct Read {
  std::uint8_t byte;
  std::string_view name;
  std::string_view pickle;
  std::string_view canon;
};

constexpr Read k_read[] = {
    {'(', "MARK", "(t."sv, "t()"},
    {'.', "STOP", "N."sv, "N"},
    {'0', "POP", "NN0."sv, "N"},
    {'1', "POP_MARK", "N(NN1."sv, "N"},
    {'2', "DUP", "]2\x86."sv, "t(l[],@1)"},
    {'F', "FLOAT", "F-1.5\n."sv, "fbff8000000000000"},
    {'I', "INT", "I01\n."sv, "T"},
    {'J', "BININT", "J\xff\xff\xff\xff."sv, "i-1"},
    {'K', "BININT1", "K\xff."sv, "i255"},
    {'L', "LONG", "L-7L\n."sv, "i-7"},
    {'M', "BININT2", "M\x01\x02."sv, "i513"},
    {'N', "NONE", "N."sv, "N"},
    {'R', "REDUCE", "cbuiltins\nset\n]\x85R."sv, "S{}"},
    {'S', "STRING", "S'a\\'\\x7f'\n."sv, "s61277f"},
    {'T', "BINSTRING", "T\x01\0\0\0a."sv, "s61"},
    {'U', "SHORT_BINSTRING", "U\x01z."sv, "s7a"},
    {'V', "UNICODE", "V\\u20ac\xe9\n."sv, "se282acc3a9"},
    {'X', "BINUNICODE", "X\x02\0\0\0\xc3\xa9."sv, "sc3a9"},
    {'a', "APPEND", "]Na."sv, "l[N]"},
    {'c', "GLOBAL", "cbuiltins\nbytearray\n)R."sv, "B"},
    {'d', "DICT", "(NNd."sv, "d{N=N}"},
    {'}', "EMPTY_DICT", "}."sv, "d{}"},
    {'e', "APPENDS", "](NNe."sv, "l[N,N]"},
    {'g', "GET", "]p3\ng3\n\x86."sv, "t(l[],@1)"},
    {'h', "BINGET", "]q\x03h\x03\x86."sv, "t(l[],@1)"},
    {'j', "LONG_BINGET", "]r\x03\0\0\0j\x03\0\0\0\x86."sv, "t(l[],@1)"},
    {'l', "LIST", "(NNl."sv, "l[N,N]"},
    {']', "EMPTY_LIST", "]."sv, "l[]"},
    {'p', "PUT", "Np0\n."sv, "N"},
    {'q', "BINPUT", "Nq\x01."sv, "N"},
    {'r', "LONG_BINPUT", "Nr\x01\0\0\0."sv, "N"},
    {'s', "SETITEM", "}NNs."sv, "d{N=N}"},
    {'t', "TUPLE", "(NNt."sv, "t(N,N)"},
    {')', "EMPTY_TUPLE", ")."sv, "t()"},
    {'u', "SETITEMS", "}(K\x01NNNu."sv, "d{i1=N,N=N}"},
    {'G', "BINFLOAT", "G?\xf0\0\0\0\0\0\0."sv, "f3ff0000000000000"},
    {0x80, "PROTO", "\x80\x02N."sv, "N"},
    {0x85, "TUPLE1", "N\x85."sv, "t(N)"},
    {0x86, "TUPLE2", "NN\x86."sv, "t(N,N)"},
    {0x87, "TUPLE3", "NNN\x87."sv, "t(N,N,N)"},
    {0x88, "NEWTRUE", "\x88."sv, "T"},
    {0x89, "NEWFALSE", "\x89."sv, "F"},
    {0x8a, "LONG1", "\x8a\x02\0\x80."sv, "i-32768"},
    {0x8b, "LONG4", "\x8b\x01\0\0\0\xff."sv, "i-1"},
    {'B', "BINBYTES", "B\x01\0\0\0\xff."sv, "bff"},
    {'C', "SHORT_BINBYTES", "C\x01\xff."sv, "bff"},
    {0x8c, "SHORT_BINUNICODE", "\x8c\x01z."sv, "s7a"},
    {0x8d, "BINUNICODE8", "\x8d\x01\0\0\0\0\0\0\0z."sv, "s7a"},
    {0x8e, "BINBYTES8", "\x8e\x01\0\0\0\0\0\0\0z."sv, "b7a"},
    {0x8f, "EMPTY_SET", "\x8f."sv, "S{}"},
    {0x90, "ADDITEMS", "\x8f(NN\x90."sv, "S{N}"},
    {0x91, "FROZENSET", "(NN\x91."sv, "Z{N}"},
    {0x93, "STACK_GLOBAL", "\x8c\x08" "builtins\x8c\x03set\x93]\x85R."sv, "S{}"},
    {0x94, "MEMOIZE", "]\x94h\0\x86."sv, "t(l[],@1)"},
    {0x95, "FRAME", "\x80\x04\x95\x02\0\0\0\0\0\0\0N."sv, "N"},
    {0x96, "BYTEARRAY8", "\x96\x01\0\0\0\0\0\0\0z."sv, "B7a"},
};

// Never read, however right the pickle is around it.
struct Refused {
  std::uint8_t byte;
  std::string_view name;
  std::string_view before;
};

constexpr Refused k_refused[] = {
    {'P', "PERSID", ""},   {'Q', "BINPERSID", "N"},   {'b', "BUILD", "]N"},     {'i', "INST", "("},
    {'o', "OBJ", "("},     {0x81, "NEWOBJ", "N)"},    {0x82, "EXT1", ""},       {0x83, "EXT2", ""},
    {0x84, "EXT4", ""},    {0x92, "NEWOBJ_EX", "N)}"}, {0x97, "NEXT_BUFFER", ""}, {0x98, "READONLY_BUFFER", "C\x01z"},
};

}  // namespace

TEST_SUITE("pfcore/pickle_reader") {
  TEST_CASE("every opcode of protocols 0 to 5 is read or refused by its name, and no other byte is an opcode") {
    std::set<int> known;
    for (const Read& row : k_read) {
      CAPTURE(row.name);
      CHECK(known.insert(row.byte).second);
      if (!row.canon.empty()) CHECK(decoded(row.pickle) == row.canon);
    }
    for (const Refused& row : k_refused) {
      CAPTURE(row.name);
      CHECK(known.insert(row.byte).second);
      const std::string pickle = std::string(row.before) + static_cast<char>(row.byte) + std::string(64, '\n');
      CHECK(decoded(pickle) == "refused@" + std::to_string(row.before.size()));
      CHECK(refusal(pickle) == "decode the pickle: " + std::string(row.name) + " at byte " + std::to_string(row.before.size()) +
                                   ": this opcode is never accepted");
    }
    CHECK(known.size() == 68);
    for (int byte = 0; byte < 256; ++byte) {
      if (known.contains(byte)) continue;
      CAPTURE(byte);
      const std::string pickle = "N" + std::string(1, static_cast<char>(byte)) + ".";
      CHECK(decoded(pickle) == "malformed@1");
      CHECK(refusal(pickle) == "decode the pickle: byte " + std::to_string(byte) + " at byte 1: this is no opcode");
    }
  }

  TEST_CASE("an opcode that fails is named, with the byte at which it starts") {
    for (const Read& row : k_read) {
      if (row.byte == '.' || row.byte == 'N') continue;
      // After PROTO and NONE no opcode can be missing anything but its own argument or target.
      const std::string pickle = "\x80\x04N"s + static_cast<char>(row.byte);
      const std::string message = refusal(pickle);
      CAPTURE(row.name);
      CAPTURE(message);
      const bool fails_itself = message.starts_with("decode the pickle: " + std::string(row.name) + " at byte 3: ");
      CHECK((fails_itself || message == "decode the pickle: it ends without a STOP"));
    }
  }

  TEST_CASE("the argument of an opcode may not be cut") {
    for (const Read& row : k_read) {
      for (std::size_t size = 0; size < row.pickle.size(); ++size) {
        CAPTURE(row.name);
        CAPTURE(size);
        CHECK(decoded(row.pickle.substr(0, size)).starts_with("truncated@"));
      }
    }
  }

  TEST_CASE("opcodes that take values off the stack refuse an empty one") {
    for (const std::string_view pickle :
         {"0."sv, "1."sv, "2."sv, "a."sv, "Na."sv, "e."sv, "(e."sv, "s."sv, "NNs."sv, "u."sv, "(u."sv, "d."sv, "l."sv, "t."sv,
          "\x85."sv, "N\x86."sv, "NN\x87."sv, "\x90."sv, "(\x90."sv, "\x91."sv, "\x93."sv, "\x8c\x01z\x93."sv, "R."sv, "NR."sv,
          "p0\n."sv, "q\0."sv, "r\0\0\0\0."sv, "\x94."sv, "."sv}) {
      CAPTURE(pickle);
      CHECK(decoded(pickle).starts_with("malformed@"));
    }
  }

  TEST_CASE("nothing below a mark can be reached") {
    for (const std::string_view pickle : {"N(2."sv, "N(\x85."sv, "](NNNa."sv, "](a."sv, "]N(a."sv, "}N(Ns."sv, "N(q\0."sv, "N(R."sv}) {
      CAPTURE(pickle);
      CHECK(decoded(pickle).starts_with("malformed@"));
    }
    CHECK(decoded("N(0."sv) == "N");  // POP takes the mark away
  }

  TEST_CASE("values are only added to what they fit in") {
    for (const std::string_view pickle : {")Na."sv, "}Na."sv, "\x8fNa."sv, "NNa."sv, "}(Ne."sv, "](NNu."sv, "]NNs."sv, "NNNs."sv,
                                          "](N\x90."sv, "(N\x91(N\x90."sv, "\x8c\x01zNa."sv, "C\x01zNa."sv}) {
      CAPTURE(pickle);
      CHECK(decoded(pickle).starts_with("malformed@"));
    }
    CHECK(decoded("}(Nu."sv) == "malformed@3");  // a key without a value
    CHECK(decoded("(Nd."sv) == "malformed@2");
  }
}
