#include <doctest/doctest.h>

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <pfctl/history_store.hpp>

#include "scratch.hpp"

using namespace pf;
using namespace pf::ctl;
using namespace std::chrono_literals;

namespace {

struct Stage {
  ctl::test::Scratch scratch;
  std::string path = scratch / "history-1";
  std::string log_path = scratch / "log";
  core::UniqueFd log_fd{::open(log_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
  DaemonLog log{log_fd.get()};
  std::unique_ptr<Loop> loop = std::move(*Loop::create());

  [[nodiscard]] std::unique_ptr<HistoryStore> open() { return std::make_unique<HistoryStore>(*loop, log, path); }
  [[nodiscard]] std::string logged() const { return pf::test::read_file(log_path); }
  // Lets the loop run until the store has written a file.
  bool runs_until_written() {
    const auto before = identity();
    Timer poll(*loop, [&] {
      if (identity() != before || --patience_ == 0) loop->stop();
    });
    patience_ = 500;
    poll.start(10ms, 10ms);
    loop->run();
    poll.stop();
    // The news of the end of the write.
    Timer moment(*loop, [&] { loop->stop(); });
    moment.start(50ms);
    loop->run();
    return identity() != before;
  }
  [[nodiscard]] std::pair<ino_t, off_t> identity() const {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 ? std::pair{info.st_ino, info.st_size} : std::pair{ino_t{0}, off_t{0}};
  }

 private:
  int patience_ = 0;
};

void run_test(HistoryStore& store, const std::string& nodeid, float call_s = 1) {
  store.history().change(nodeid)->call_s = call_s;
  store.touch();
}

History written(const std::string& path) {
  auto read = History::decode(pf::test::read_file(path));
  REQUIRE(read.ok());
  return std::move(*read);
}

}  // namespace

TEST_SUITE("pfctl/history_store") {
  TEST_CASE("what changed is written soon, and read by the next daemon") {
    Stage stage;
    auto store = stage.open();
    CHECK(store->history().size() == 0);
    run_test(*store, "a");
    run_test(*store, "b");
    REQUIRE(stage.runs_until_written());
    CHECK(written(stage.path).size() == 2);
    store.reset();
    CHECK(stage.open()->history().find("b")->call_s == 1);
    CHECK(std::distance(std::filesystem::directory_iterator(stage.scratch.path()), {}) == 2);   // it and the log
    CHECK(stage.logged().empty());
  }

  TEST_CASE("a daemon that leaves writes what is not written yet") {
    Stage stage;
    auto store = stage.open();
    run_test(*store, "a");
    store.reset();
    CHECK(written(stage.path).find("a") != nullptr);
  }

  TEST_CASE("while another daemon writes, a store waits for its turn and loses nothing") {
    Stage stage;
    stage.scratch.file("history-1.new", "");
    const core::UniqueFd others(::open((stage.path + ".new").c_str(), O_WRONLY | O_CLOEXEC));
    REQUIRE(::flock(others.get(), LOCK_EX | LOCK_NB) == 0);
    auto store = stage.open();
    run_test(*store, "a");
    Timer unlock(*stage.loop, [&] {
      CHECK_FALSE(std::filesystem::exists(stage.path));
      (void)::flock(others.get(), LOCK_UN);
    });
    unlock.start(1200ms);
    REQUIRE(stage.runs_until_written());
    CHECK(written(stage.path).find("a") != nullptr);
    CHECK(stage.logged().empty());
  }

  TEST_CASE("a write that failed leaves its records to the next one") {
    Stage stage;
    std::filesystem::create_directories(stage.path + ".new");
    auto store = stage.open();
    run_test(*store, "a");
    Timer moment(*stage.loop, [&] {
      if (!stage.logged().empty()) stage.loop->stop();
    });
    moment.start(10ms, 10ms);
    stage.loop->run();
    moment.stop();
    std::filesystem::remove(stage.path + ".new");
    History restored;                                  // from elsewhere, without it
    restored.change("z")->call_s = 6;
    stage.scratch.file("history-1", restored.encode());
    run_test(*store, "b");
    store.reset();
    const History all = written(stage.path);
    CHECK(all.find("a") != nullptr);
    CHECK(all.find("b") != nullptr);
    CHECK(all.find("z") != nullptr);
  }

  TEST_CASE("without a change nothing is written") {
    Stage stage;
    stage.open().reset();
    CHECK_FALSE(std::filesystem::exists(stage.path));
  }

  TEST_CASE("two daemons of a suite keep each other's records") {
    Stage stage;
    auto one = stage.open();
    auto other = stage.open();
    run_test(*one, "a");
    run_test(*other, "b");
    one.reset();
    CHECK(other->history().find("a") != nullptr);      // read before a plan is made
    other.reset();
    const History both = written(stage.path);
    CHECK(both.find("a") != nullptr);
    CHECK(both.find("b") != nullptr);
  }

  TEST_CASE("a file from elsewhere is used at once") {
    Stage stage;
    auto store = stage.open();
    run_test(*store, "a", 1);
    REQUIRE(stage.runs_until_written());
    History restored;
    restored.change("a")->call_s = 5;
    restored.change("z")->call_s = 6;
    stage.scratch.file("fresh", restored.encode());
    std::filesystem::rename(stage.scratch / "fresh", stage.path);
    CHECK(store->history().find("z")->call_s == 6);
    CHECK(store->history().find("a")->call_s == 5);
  }

  TEST_CASE("a file that cannot be used is said to be, once, and replaced") {
    Stage stage;
    stage.scratch.file("history-1", "PFHIST1\nrubbish of any kind");
    auto store = stage.open();
    CHECK(store->history().size() == 0);
    CHECK(store->history().size() == 0);
    const std::string said = stage.logged();
    CHECK(said.find(stage.path) != said.npos);
    CHECK(said.find("checksum") != said.npos);
    CHECK(said.find("\n") == said.size() - 1);
    run_test(*store, "a");
    store.reset();
    CHECK(written(stage.path).size() == 1);
  }

  TEST_CASE("a link in its place is not followed") {
    Stage stage;
    History elsewhere;
    elsewhere.change("secret")->call_s = 1;
    stage.scratch.file("elsewhere", elsewhere.encode());
    std::filesystem::create_symlink(stage.scratch / "elsewhere", stage.path);
    std::filesystem::create_symlink(stage.scratch / "victim", stage.path + ".new");
    auto store = stage.open();
    CHECK(store->history().size() == 0);
    run_test(*store, "a");
    store.reset();
    CHECK_FALSE(std::filesystem::exists(stage.scratch / "victim"));
    CHECK(written(stage.scratch / "elsewhere").size() == 1);
  }

  TEST_CASE("a folder that cannot be written to costs the history and nothing else") {
    Stage stage;
    stage.path = stage.scratch / "gone/history-1";
    auto store = stage.open();
    run_test(*store, "a");
    CHECK(store->history().size() == 1);
    store.reset();
    CHECK(stage.logged().find("is not written") != std::string::npos);
  }

  TEST_CASE("stores are found by their file, and those that were used last stay open") {
    Stage stage;
    HistoryStores stores(*stage.loop, stage.log);
    CHECK(stores.find("") == nullptr);
    HistoryStore* first = stores.find(stage.scratch / "0");
    CHECK(stores.find(stage.scratch / "0") == first);
    run_test(*first, "a");
    for (int i = 1; i < 9; ++i) (void)stores.find(stage.scratch / std::to_string(i));
    CHECK(written(stage.scratch / "0").size() == 1);   // closed, and therefore written
    CHECK(stores.find(stage.scratch / "0")->history().size() == 1);
  }
}
