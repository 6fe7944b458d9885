#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include <pfctl/lock.hpp>

#include "scratch.hpp"

using namespace pf::ctl;
using namespace std::chrono_literals;
using pf::core::ErrorCode;
using test::contains;
using test::Scratch;

namespace {

struct Folder {
  Scratch scratch;
  pf::core::UniqueFd fd{::open(scratch.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  auto try_lock() { return FileLock::try_lock(fd.get(), "a.lock", scratch / "a.lock"); }
};

}  // namespace

TEST_SUITE("pfctl/lock") {
  TEST_CASE("a lock has one holder at a time, and lasts as long as its object") {
    Folder folder;
    auto first = folder.try_lock();
    REQUIRE(first.ok());
    REQUIRE(first->has_value());
    auto second = folder.try_lock();
    REQUIRE(second.ok());
    CHECK_FALSE(second->has_value());
    first->reset();
    CHECK(folder.try_lock()->has_value());
    CHECK(folder.scratch.has("a.lock"));
  }

  TEST_CASE("the lock file is private and close-on-exec") {
    Folder folder;
    const mode_t before = ::umask(0);
    auto lock = folder.try_lock();
    ::umask(before);
    struct stat info;
    REQUIRE(::stat((folder.scratch / "a.lock").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0600);
  }

  TEST_CASE("waiting ends at the deadline with the reason") {
    Folder folder;
    auto held = folder.try_lock();
    const auto begun = std::chrono::steady_clock::now();
    auto waited = FileLock::lock(folder.fd.get(), "a.lock", folder.scratch / "a.lock", 60ms);
    const auto took = std::chrono::steady_clock::now() - begun;
    REQUIRE_FALSE(waited.ok());
    CHECK(waited.error().code == ErrorCode::timed_out);
    CHECK(contains(waited.error().message, folder.scratch / "a.lock"));
    CHECK(took >= 60ms);
    CHECK(took < 2s);
  }

  TEST_CASE("waiting ends when the holder lets go") {
    Folder folder;
    auto held = folder.try_lock();
    std::thread holder([&] {
      std::this_thread::sleep_for(30ms);
      held->reset();
    });
    CHECK(FileLock::lock(folder.fd.get(), "a.lock", "", 10s).ok());
    holder.join();
  }

  TEST_CASE("a holder sees that its file was removed or replaced, and the next one locks the new file") {
    Folder folder;
    auto lock = folder.try_lock();
    CHECK((*lock)->still_in_place(folder.fd.get()));
    std::filesystem::remove(folder.scratch / "a.lock");
    CHECK_FALSE((*lock)->still_in_place(folder.fd.get()));
    auto next = folder.try_lock();
    REQUIRE(next->has_value());
    CHECK((*next)->still_in_place(folder.fd.get()));
    CHECK_FALSE((*lock)->still_in_place(folder.fd.get()));
  }

  TEST_CASE("a symbolic link is refused and what it names is left alone") {
    Folder folder;
    folder.scratch.file("victim", "precious");
    folder.scratch.link("a.lock", "victim");
    auto lock = folder.try_lock();
    REQUIRE_FALSE(lock.ok());
    CHECK(lock.error().code == ErrorCode::refused);
    CHECK(contains(lock.error().message, "symbolic link"));
    CHECK(folder.scratch.content("victim") == "precious");
  }

  TEST_CASE("what is no regular file is refused without waiting") {
    Folder folder;
    REQUIRE(::mkfifo((folder.scratch / "a.lock").c_str(), 0600) == 0);
    auto lock = folder.try_lock();
    REQUIRE_FALSE(lock.ok());
    CHECK(lock.error().code == ErrorCode::refused);
  }

  TEST_CASE("of many threads one at a time holds the lock") {
    Folder folder;
    std::atomic<int> inside = 0;
    std::atomic<int> worst = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int turn = 0; turn < 5; ++turn) {
          auto lock = FileLock::lock(folder.fd.get(), "a.lock", "", 30s);
          if (!lock) continue;
          worst = std::max(worst.load(), ++inside);
          std::this_thread::yield();
          --inside;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(worst == 1);
  }
}
