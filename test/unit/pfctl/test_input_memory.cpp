#include <doctest/doctest.h>

#include <chrono>

#include <pfcore/input_identity.hpp>
#include <pfctl/input_memory.hpp>
#include <pfctl/staleness.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using namespace std::chrono_literals;
using pf::core::identify;
using pf::core::InputFile;
using test::Scratch;

namespace {

using Paths = std::vector<std::string>;

InputSet set_of(std::vector<InputFile> inputs, const Scratch& scratch) {
  return {std::move(inputs), EnvironmentKey(), scratch.path(), std::chrono::system_clock::now() + 1h};
}

}  // namespace

TEST_SUITE("pfctl/input memory") {
  TEST_CASE("a first generation has no news, and neither has one that read the same") {
    const Scratch scratch;
    const std::string file = scratch.file("test_a.py", "a");
    InputMemory memory;
    CHECK(set_of({identify(file)}, scratch).meet(memory, 8).empty());
    scratch.file("test_a.py", "a");                    // another time of change
    CHECK(set_of({identify(file), identify(scratch.file("b.py"))}, scratch).meet(memory, 8).empty());
  }

  TEST_CASE("what was saved while nobody looked is news once") {
    const Scratch scratch;
    const std::string file = scratch.file("test_a.py", "a");
    const std::string other = scratch.file("test_b.py", "b");
    InputMemory memory;
    CHECK(set_of({identify(file), identify(other)}, scratch).meet(memory, 8).empty());
    // A generation of another file is between them: what it did not read is remembered.
    CHECK(set_of({identify(other)}, scratch).meet(memory, 8).empty());
    scratch.file("test_a.py", "A");
    CHECK(set_of({identify(file), identify(other)}, scratch).meet(memory, 8) == Paths{file});
    CHECK(set_of({identify(file), identify(other)}, scratch).meet(memory, 8).empty());
  }

  TEST_CASE("what a look told is not news of the generation that read it") {
    const Scratch scratch;
    const std::string file = scratch.file("test_a.py", "a");
    InputMemory memory;
    const InputSet before = set_of({identify(file)}, scratch);
    CHECK(before.meet(memory, 8).empty());
    scratch.file("test_a.py", "A");
    CHECK(before.look(8, &memory).paths == Paths{file});
    CHECK(set_of({identify(file)}, scratch).meet(memory, 8).empty());
    scratch.file("test_a.py", "AA");
    CHECK(set_of({identify(file)}, scratch).meet(memory, 8) == Paths{file});
  }

  TEST_CASE("files that came or went are named with their folder") {
    const Scratch scratch;
    const std::string file = scratch.file("test_a.py", "a");
    InputMemory memory;
    CHECK(set_of({identify(scratch.path()), identify(file)}, scratch).meet(memory, 8).empty());
    const std::string added = scratch.file("test_new.py", "n");
    const std::string elsewhere = scratch.file("/../" + std::filesystem::path(scratch.path()).filename().string() + ".elsewhere", "n");
    CHECK(set_of({identify(scratch.path()), identify(file), identify(added), identify(elsewhere)}, scratch).meet(memory, 8) ==
          Paths{scratch.path(), added});
    std::filesystem::remove(added);
    CHECK(set_of({identify(scratch.path()), identify(added)}, scratch).meet(memory, 8) == Paths{scratch.path(), added});
    std::filesystem::remove(elsewhere);
  }

  TEST_CASE("no more than asked for, and all of it is known afterwards") {
    const Scratch scratch;
    std::vector<std::string> files;
    for (int number = 0; number < 5; ++number) files.push_back(scratch.file("f" + std::to_string(number), "x"));
    const auto all = [&] {
      std::vector<InputFile> inputs;
      for (const std::string& file : files) inputs.push_back(identify(file));
      return set_of(std::move(inputs), scratch);
    };
    InputMemory memory;
    CHECK(all().meet(memory, 3).empty());
    for (int number = 0; number < 5; ++number) scratch.file("f" + std::to_string(number), "y");
    CHECK(all().meet(memory, 3).size() == 3);
    CHECK(all().meet(memory, 3).empty());
    memory.forget();
    CHECK(all().meet(memory, 3).empty());
  }

  TEST_CASE("more changes than a look names: the next generation has no news of them") {
    const Scratch scratch;
    const std::string first = scratch.file("a", "x");
    const std::string second = scratch.file("b", "x");
    InputMemory memory;
    const InputSet before = set_of({identify(first), identify(second)}, scratch);
    CHECK(before.meet(memory, 1).empty());
    scratch.file("a", "y");
    scratch.file("b", "y");
    CHECK(before.look(1, &memory).paths.size() == 1);
    CHECK(set_of({identify(first), identify(second)}, scratch).meet(memory, 1).empty());
  }

  TEST_CASE("inputs without a hash are known by their identity") {
    const Scratch scratch;
    const std::string library = scratch.file("c.so", "x");
    InputMemory memory;
    CHECK(set_of({pf::core::identify_only(library)}, scratch).meet(memory, 8).empty());
    CHECK(set_of({pf::core::identify_only(library)}, scratch).meet(memory, 8).empty());
    scratch.file("c.so", "longer");
    CHECK(set_of({pf::core::identify_only(library)}, scratch).meet(memory, 8) == Paths{library});
  }

  TEST_CASE("a path that is recorded more than once is what its content says") {
    const Scratch scratch;
    const std::string file = scratch.file("test_a.py", "a");
    const auto inputs = [&] {
      InputFile kind = pf::core::identify_only(file);
      kind.ino = 0;
      return set_of({pf::core::identify_only(file), identify(file), kind}, scratch);
    };
    InputMemory memory;
    CHECK(inputs().meet(memory, 8).empty());
    CHECK(inputs().meet(memory, 8).empty());
    scratch.file("test_a.py", "a");
    CHECK(inputs().meet(memory, 8).empty());
    scratch.file("test_a.py", "b");
    CHECK(inputs().meet(memory, 8) == Paths{file});
  }
}
