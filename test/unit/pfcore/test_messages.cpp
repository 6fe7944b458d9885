#include <doctest/doctest.h>

#include <cctype>
#include <set>
#include <string>
#include <vector>

#include <pfcore/messages.hpp>
#include <pfcore/pickle_writer.hpp>

#include "message_samples.hpp"
#include "support.hpp"

using namespace pf::core;
using pf::test::for_every_message;
using pf::test::sample;

namespace {

Document decoded(const std::string& payload) {
  auto document = decode_pickle(payload, Limits::control());
  if (!document) FAIL("no pickle: ", document.error().message);
  return std::move(document).value();
}

template <typename T>
Result<T> again(const T& message) {
  const Document document = decoded(encode(message));
  return decode_as<T>(document.root());
}

// The message with one key's value replaced: `odd` writes it.
template <typename Odd>
std::string with_odd_field(const Document& document, std::string_view key, Odd&& odd) {
  PickleWriter writer;
  writer.begin_dict();
  for (const DictEntry& entry : document.root().entries()) {
    writer.value(entry.key);
    if (entry.key.as_str() == key) odd(writer);
    else writer.value(entry.value);
  }
  writer.end_dict();
  return writer.finish();
}

template <typename T>
std::string only_type() {
  PickleWriter writer;
  writer.begin_dict();
  writer.field("type", T::k_type);
  writer.end_dict();
  return writer.finish();
}

// One field of a type alone.
template <typename Put>
Document message_with(std::string_view type, std::string_view key, Put&& put) {
  PickleWriter writer;
  writer.begin_dict();
  writer.field("type", type);
  writer.str(key);
  put(writer);
  writer.end_dict();
  return decoded(writer.finish());
}

template <typename T>
ErrorCode refusal(const Document& document) {
  auto message = decode_as<T>(document.root());
  REQUIRE_FALSE(message.ok());
  return message.error().code;
}

PhaseReport passed(const char* when) {
  PhaseReport phase;
  phase.when = when;
  phase.outcome = "passed";
  phase.duration_s = 0.000123;
  phase.cpu_s = 0.0001;
  phase.start_s = 1700000000.123;
  if (phase.when == "call") {
    phase.category = "passed";
    phase.letter = ".";
    phase.word = "PASSED";
  }
  return phase;
}

}  // namespace

TEST_SUITE("pfcore/messages") {
  TEST_CASE("every message has the bytes of its golden file") {
    std::set<std::string> names;
    for_every_message([&]<typename T>(const T& message) {
      const std::string name(T::k_type);
      CHECK_MESSAGE(names.insert(name).second, name, " stands for two messages");
      CHECK(pf::test::compare_golden("wire/" + name + ".pickle", encode(message)) == "");
    });
    CHECK(names.size() == 49);
  }

  TEST_CASE("what was encoded is decoded again, field by field") {
    for_every_message([&]<typename T>(const T& message) {
      CAPTURE(T::k_type);
      auto back = again(message);
      REQUIRE(back.ok());
      CHECK(encode(*back) == encode(message));
      CHECK(message_type(decoded(encode(message)).root()) == T::k_type);
    });
  }

  TEST_CASE("missing keys keep the member's default") {
    for_every_message([&]<typename T>(const T&) {
      CAPTURE(T::k_type);
      auto message = decode_as<T>(decoded(only_type<T>()).root());
      REQUIRE(message.ok());
      CHECK(encode(*message) == encode(T{}));
    });
  }

  TEST_CASE("unknown keys are ignored, and keys may come in any order") {
    for_every_message([&]<typename T>(const T& message) {
      CAPTURE(T::k_type);
      const Document document = decoded(encode(message));
      PickleWriter writer;
      writer.begin_dict();
      writer.field("a key of a later version", 1);
      const auto entries = document.root().entries();
      for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        writer.value(entry->key);
        writer.value(entry->value);
      }
      writer.integer(5);   // not even a str
      writer.none();
      writer.end_dict();
      auto back = decode_as<T>(decoded(writer.finish()).root());
      REQUIRE(back.ok());
      CHECK(encode(*back) == encode(message));
    });
  }

  TEST_CASE("a key of the wrong kind is malformed, whichever key and kind") {
    std::size_t refused = 0;
    for_every_message([&]<typename T>(const T& message) {
      const Document document = decoded(encode(message));
      for (const DictEntry& entry : document.root().entries()) {
        const std::string key(*entry.key.as_str());
        CAPTURE(T::k_type);
        CAPTURE(key);
        CHECK(refusal<T>(decoded(with_odd_field(document, key, [](PickleWriter& writer) { writer.none(); }))) == ErrorCode::malformed);
        const auto put_list = [](PickleWriter& writer) {
          writer.begin_list();
          writer.none();
          writer.end_list();
        };
        CHECK(refusal<T>(decoded(with_odd_field(document, key, put_list))) == ErrorCode::malformed);
        const auto put_dict = [](PickleWriter& writer) {
          writer.begin_dict();
          for (const char* name : {"workers", "options", "columns", "argv", "verbosity"}) writer.field(name, 1.5);
          writer.end_dict();
        };
        CHECK(refusal<T>(decoded(with_odd_field(document, key, put_dict))) == ErrorCode::malformed);
        ++refused;
      }
    });
    CHECK(refused > 150);
  }

  TEST_CASE("the refusal names message and field") {
    const Document document = message_with("run", "options", [](PickleWriter& writer) {
      writer.begin_dict();
      writer.field("workers", "two");
      writer.end_dict();
    });
    auto message = decode_as<RunRequest>(document.root());
    REQUIRE_FALSE(message.ok());
    CHECK(message.error().message.find("'run'") != std::string::npos);
    CHECK(message.error().message.find("'options.workers'") != std::string::npos);
  }

  TEST_CASE("another message, or none, is not decoded") {
    CHECK(refusal<Hello>(decoded(encode(StatusRequest{}))) == ErrorCode::malformed);
    PickleWriter writer;
    writer.integer(7);
    const Document number = decoded(writer.finish());
    CHECK(refusal<Hello>(number) == ErrorCode::malformed);
    CHECK(message_type(number.root()).empty());
    CHECK(message_type(message_with("hello", "pid", [](PickleWriter& out) { out.integer(1); }).root()) == "hello");
    writer.begin_dict();
    writer.field("type", 3);
    writer.end_dict();
    CHECK(message_type(decoded(writer.finish()).root()).empty());
  }

  TEST_CASE("numbers out of a member's range are malformed") {
    const auto item = [](std::int64_t number) {
      return message_with("result", "item", [=](PickleWriter& writer) { writer.integer(number); });
    };
    CHECK(refusal<ItemResult>(item(-1)) == ErrorCode::malformed);
    CHECK(refusal<ItemResult>(item(std::int64_t{1} << 32)) == ErrorCode::malformed);
    CHECK(decode_as<ItemResult>(item(0xffffffff).root())->item == 0xffffffffu);
  }

  TEST_CASE("True is no number and 1 is no bool, but a number without a fraction may stand for a float") {
    CHECK(refusal<Hello>(message_with("hello", "pid", [](PickleWriter& writer) { writer.boolean(true); })) == ErrorCode::malformed);
    const Document number = message_with("shutdown", "now", [](PickleWriter& writer) { writer.integer(1); });
    CHECK(refusal<ShutdownRequest>(number) == ErrorCode::malformed);
    const Document document = message_with("phase", "elapsed_ms", [](PickleWriter& writer) { writer.integer(3); });
    CHECK(decode_as<PhaseEvent>(document.root())->elapsed_ms == 3.0);
  }

  TEST_CASE("lists may be tuples; packed numbers come in whole words") {
    const Document tuple = message_with("boot", "argv", [](PickleWriter& writer) {
      writer.begin_tuple();
      writer.bytes("-x");
      writer.end_tuple();
    });
    CHECK(decode_as<BootRequest>(tuple.root())->argv == OsStrings{"-x"});
    CHECK(refusal<EndRun>(message_with("end", "failed", [](PickleWriter& writer) { writer.bytes("12345"); })) == ErrorCode::malformed);
    CHECK(refusal<BootRequest>(message_with("boot", "cwd", [](PickleWriter& writer) { writer.str("/suite"); })) == ErrorCode::malformed);
  }

  TEST_CASE("an input file's tuple may be longer in a later version, never shorter") {
    const auto inputs = [](int fields) {
      return message_with("boot_failed", "inputs", [=](PickleWriter& writer) {
        writer.begin_list();
        writer.begin_tuple();
        writer.bytes("/a");
        for (int i = 1; i < fields; ++i) {
          if (i == 7) writer.bytes("hash");
          else writer.integer(i);
        }
        writer.end_tuple();
        writer.end_list();
      });
    };
    CHECK(refusal<BootFailed>(inputs(7)) == ErrorCode::malformed);
    CHECK(decode_as<BootFailed>(inputs(9).root())->inputs.at(0).content_hash == "hash");
  }

  TEST_CASE("text that is no UTF-8 is repaired, lone surrogates are kept") {
    WarningReport warning;
    warning.message = "caf\xe9 \xf0\x9f\x8e \xed\xb2\x80 \xc0\xaf \xf4\x90\x80\x80 ü🎉";
    CHECK(again(warning)->message ==
          "caf\xef\xbf\xbd \xef\xbf\xbd \xed\xb2\x80 \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd ü🎉");
    ItemResult result;
    result.phases = {passed("call")};
    result.phases[0].sections = {{"Captured stdout call", std::string("\xff\x00z", 3)}};
    CHECK(again(result)->phases[0].sections[0].second == std::string("\xef\xbf\xbd\x00z", 5));
  }

  TEST_CASE("bytes come through whatever they are") {
    std::string all;
    for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
    OutputEvent output;
    output.data = all;
    CHECK(again(output)->data == all);
    RunRequest request;
    request.env = {{"B", all.substr(1)}, {"A", "1"}, {"", ""}};
    CHECK(again(request)->env == request.env);
  }

  TEST_CASE("identities keep all 64 bits") {
    const InputFile input = again(sample(BootFailed{}))->inputs.at(0);
    CHECK(input.dev == 0xffffffffffffff01u);
    CHECK(input.ino == 0x8000000000000002u);
    CHECK(input.ctime_ns == -1);
  }

  TEST_CASE("the result of a passing test is small") {
    ItemResult result;
    result.item = 61'234;
    result.outcome = "passed";
    result.phases = {passed("setup"), passed("call"), passed("teardown")};
    const std::string payload = encode(result);
    MESSAGE("bytes: ", payload.size());
    CHECK(payload.size() < 200);
    CHECK(pf::test::compare_golden("wire/result-of-a-pass.pickle", payload) == "");
    auto back = again(result);
    CHECK(back->attempt == 1);
    CHECK(back->phases.size() == 3);
    CHECK(back->phases[1].word == "PASSED");
    result.attempt = 0;
    CHECK(again(result)->attempt == 0);
  }

  TEST_CASE("a passed phase that has anything to tell keeps it") {
    const auto keeps = [](auto change) {
      ItemResult result;
      result.phases = {passed("call"), passed("setup")};
      for (PhaseReport& phase : result.phases) change(phase);
      const ItemResult back = again(result).value();
      return encode(back) == encode(result) && back.phases[0].outcome == result.phases[0].outcome &&
             back.phases[1].category == result.phases[1].category && back.phases[0].word == result.phases[0].word &&
             back.phases[1].headline == result.phases[1].headline && back.phases[0].sections == result.phases[0].sections &&
             back.phases[0].properties == result.phases[0].properties && back.phases[0].wasxfail == result.phases[0].wasxfail &&
             back.phases[1].cpu_s == result.phases[1].cpu_s && back.phases[0].when == result.phases[0].when;
    };
    CHECK(keeps([](PhaseReport&) {}));
    CHECK(keeps([](PhaseReport& phase) { phase.sections = {{"Captured stdout call", "out"}}; }));
    CHECK(keeps([](PhaseReport& phase) { phase.properties = {{"a", "b"}}; }));
    CHECK(keeps([](PhaseReport& phase) { phase.category = "passed"; }));
    CHECK(keeps([](PhaseReport& phase) { phase.category.clear(); }));
    CHECK(keeps([](PhaseReport& phase) { phase.word = "FINE"; }));
    CHECK(keeps([](PhaseReport& phase) { phase.headline = "test_b"; }));
    CHECK(keeps([](PhaseReport& phase) { phase.wasxfail = true; }));
    CHECK(keeps([](PhaseReport& phase) { phase.when = "collect"; }));
    CHECK(keeps([](PhaseReport& phase) { phase.outcome = "skipped"; }));
    CHECK(keeps([](PhaseReport& phase) { phase.cpu_s = 0; }));
    ItemResult measured;
    measured.phases = {passed("call")};
    measured.phases[0].queued_s = 0.25;
    CHECK(again(measured)->phases[0].queued_s == 0.25);
  }

  TEST_CASE("a generation of 62,000 items and 10,000 inputs fits a control frame") {
    BootReady ready;
    for (std::uint32_t i = 0; i < 62'000; ++i) {
      const std::string module = "tests/package/test_module_" + std::to_string(i / 100) + ".py";
      ready.nodeids.push_back(module + "::TestClass::test_name[" + std::to_string(i) + "]");
    }
    for (int i = 0; i < 10'000; ++i) {
      ready.inputs.push_back(pf::test::sample_input());
      ready.inputs.back().path += std::to_string(i);
    }
    const std::string payload = encode(ready);
    MESSAGE("bytes: ", payload.size());
    auto back = again(ready);
    REQUIRE(back.ok());
    CHECK(back->nodeids == ready.nodeids);
    CHECK(back->inputs.back().path == ready.inputs.back().path);
  }

  TEST_CASE("the manual names every message and every field") {
    const std::string manual = pf::test::read_file(pf::test::data_directory() / "../../lib/pfcore/PROTOCOL.md");
    const auto names = [&](const std::string& word) {
      const auto is_part = [](char letter) { return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_'; };
      for (std::size_t at = manual.find(word); at != std::string::npos; at = manual.find(word, at + 1)) {
        if (!is_part(manual[at - 1]) && !is_part(manual[at + word.size()])) return true;
      }
      return false;
    };
    for_every_message([&]<typename T>(const T& message) {
      CHECK_MESSAGE(manual.find("`" + std::string(T::k_type) + "`") != std::string::npos, T::k_type);
      const Document document = decoded(encode(message));
      std::vector<Value> open{document.root()};
      while (!open.empty()) {
        const Value value = open.back();
        open.pop_back();
        for (const Value& item : value.items()) open.push_back(item);
        for (const DictEntry& entry : value.entries()) {
          if (const auto key = entry.key.as_str()) CHECK_MESSAGE(names(std::string(*key)), T::k_type, ": ", *key);
          open.push_back(entry.value);
        }
      }
    });
  }

  TEST_CASE("a text that is named again and again is not copied without end") {
    constexpr std::size_t k_most = 100'000;
    const auto names_often = [](const char* type, const char* key, int times, auto&& put) {
      return message_with(type, key, [&](PickleWriter& writer) {
        writer.begin_list();
        for (int i = 0; i < times; ++i) put(writer);
        writer.end_list();
      });
    };
    const std::string text(1000, 'x');
    const auto put_text = [&](PickleWriter& writer) { writer.str(text); };
    CHECK(decode_as<Selected>(names_often("selected", "nodeids", 90, put_text).root(), k_most).ok());
    auto message = decode_as<Selected>(names_often("selected", "nodeids", 110, put_text).root(), k_most);
    REQUIRE_FALSE(message.ok());
    CHECK(message.error().code == ErrorCode::limit);
    CHECK(message.error().message == "read a message as 'selected': with field 'nodeids' it takes more than 100000 bytes");
    // Structs are larger than the dicts that stand for them.
    const auto put_dict = [](PickleWriter& writer) { writer.begin_dict(); writer.end_dict(); };
    CHECK(decode_as<ItemResult>(names_often("result", "phases", 3, put_dict).root(), k_most).ok());
    auto phases = decode_as<ItemResult>(names_often("result", "phases", 1000, put_dict).root(), k_most);
    REQUIRE_FALSE(phases.ok());
    CHECK(phases.error().code == ErrorCode::limit);
    const auto put_bytes = [&](PickleWriter& writer) { writer.bytes(text); };
    CHECK_FALSE(decode_as<RunRequest>(names_often("run", "argv", 110, put_bytes).root(), k_most).ok());
  }

  TEST_CASE("a message cut at any byte is refused") {
    for_every_message([&]<typename T>(const T& message) {
      const std::string payload = encode(message);
      std::size_t accepted = 0;
      for (std::size_t length = 0; length < payload.size(); ++length) {
        if (decode_pickle(std::string_view(payload).substr(0, length), Limits::control()).ok()) ++accepted;
      }
      CHECK(accepted == 0);
    });
  }
}
