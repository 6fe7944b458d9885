#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <pfcore/frame_socket.hpp>
#include <pfctl/channel.hpp>
#include <pfctl/loop.hpp>

using namespace pf;
using namespace pf::ctl;

namespace {

struct Recorder final : ChannelHandler {
  Loop& loop;
  std::vector<std::string> frames;
  std::vector<core::Error> ends;
  std::size_t stop_after = 0;      // frames
  explicit Recorder(Loop& event_loop) : loop(event_loop) {}
  void on_frame(Channel&, std::string_view payload) override {
    frames.emplace_back(payload);
    if (frames.size() == stop_after) loop.stop();
  }
  void on_end(Channel&, const core::Error& why) override {
    ends.push_back(why);
    loop.stop();
  }
};

struct Pair {
  core::UniqueFd ours;
  core::UniqueFd theirs;
  Pair() {
    auto made = core::make_socket_pair();
    REQUIRE(made.ok());
    ours = std::move(made->first);
    theirs = std::move(made->second);
  }
  void write(std::string_view bytes) const { REQUIRE(::write(theirs.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())); }
};

std::unique_ptr<Loop> make_loop() {
  auto loop = Loop::create();
  REQUIRE(loop.ok());
  return std::move(loop).value();
}

// Ends a loop that would wait for ever.
struct Watchdog {
  Timer timer;
  explicit Watchdog(Loop& loop, Milliseconds after = Milliseconds(2000)) : timer(loop, [&loop] { loop.stop(); }) { timer.start(after); }
};

}  // namespace

TEST_SUITE("pfctl/channel") {
  TEST_CASE("frames arrive whole, however the bytes are split") {
    auto loop = make_loop();
    Pair pair;
    Recorder recorder(*loop);
    recorder.stop_after = 3;
    Channel channel(*loop, recorder);
    REQUIRE(channel.open(std::move(pair.ours)).ok());
    const std::string bytes = std::string("\0\0\0\1a", 5) + std::string("\0\0\0\2bc", 6) + std::string("\0\0\0\0", 4);
    std::size_t at = 0;
    Timer feeder(*loop, [&] {
      if (at < bytes.size()) pair.write(std::string_view(bytes).substr(at++, 1));
    });
    feeder.start(Milliseconds(1), Milliseconds(1));
    const Watchdog watchdog(*loop);
    loop->run();
    CHECK(recorder.frames == std::vector<std::string>{"a", "bc", ""});
  }

  TEST_CASE("what is only queued goes with what is sent next, in order") {
    auto loop = make_loop();
    Pair pair;
    Recorder recorder(*loop);
    Channel channel(*loop, recorder);
    REQUIRE(channel.open(std::move(pair.ours)).ok());
    core::FrameSocket peer(std::move(pair.theirs));
    channel.queue("a");
    channel.queue("b");
    loop->run_deferred();
    CHECK(channel.queued_bytes() > 0);
    CHECK_FALSE(peer.receive(Milliseconds(0)).value().has_value());
    channel.send("c");
    loop->run_deferred();
    for (const char* const expected : {"a", "b", "c"}) CHECK(peer.receive(Milliseconds(0)).value()->payload == expected);
    channel.queue("d");
    channel.flush_queued();
    loop->run_deferred();
    CHECK(peer.receive(Milliseconds(0)).value()->payload == "d");
    CHECK(channel.queued_bytes() == 0);
  }

  TEST_CASE("reading that is paused and resumed goes on") {
    auto loop = make_loop();
    Pair pair;
    Recorder recorder(*loop);
    recorder.stop_after = 1;
    Channel channel(*loop, recorder);
    REQUIRE(channel.open(std::move(pair.ours)).ok());
    channel.pause_reading();
    channel.pause_reading();
    pair.write(std::string("\0\0\0\1a", 5));
    Timer resume(*loop, [&] {
      CHECK(recorder.frames.empty());
      channel.resume_reading();
    });
    resume.start(Milliseconds(5));
    const Watchdog watchdog(*loop);
    loop->run();
    CHECK(recorder.frames == std::vector<std::string>{"a"});
  }

  TEST_CASE("the end is told once, and a half frame is discarded") {
    auto loop = make_loop();
    Pair pair;
    Recorder recorder(*loop);
    Channel channel(*loop, recorder);
    REQUIRE(channel.open(std::move(pair.ours)).ok());
    pair.write(std::string("\0\0\0\1a\0\0\0\5x", 10));
    pair.theirs.reset();
    loop->run();
    CHECK(recorder.frames == std::vector<std::string>{"a"});
    REQUIRE(recorder.ends.size() == 1);
    CHECK(recorder.ends[0].code == core::ErrorCode::closed);
    CHECK_FALSE(channel.is_open());
  }

  TEST_CASE("a length over the bound ends the channel before its bytes are awaited") {
    auto loop = make_loop();
    Pair pair;
    Recorder recorder(*loop);
    Channel channel(*loop, recorder, ChannelOptions{16, false});
    REQUIRE(channel.open(std::move(pair.ours)).ok());
    pair.write(std::string("\0\0\0\x11", 4));
    const Watchdog watchdog(*loop);
    loop->run();
    REQUIRE(recorder.ends.size() == 1);
    CHECK(recorder.ends[0].code == core::ErrorCode::limit);
  }

  TEST_CASE("what the peer does not read is queued and sent when it does, in order") {
    auto loop = make_loop();
    Pair pair;
    Recorder recorder(*loop);
    Channel channel(*loop, recorder);
    REQUIRE(channel.open(std::move(pair.ours)).ok());
    const std::string big(300000, 'x');
    for (int i = 0; i < 10; ++i) channel.send(big + std::to_string(i));
    {
      const Watchdog watchdog(*loop, Milliseconds(20));
      loop->run();
    }
    CHECK(channel.queued_bytes() > 2000000);
    core::FrameSocket reader(std::move(pair.theirs));
    std::vector<std::string> got;
    Timer pump(*loop, [&] {
      auto frame = reader.receive(Milliseconds(0));
      while (frame.ok() && frame->has_value()) {
        got.push_back((*frame)->payload);
        frame = reader.receive(Milliseconds(0));
      }
      if (got.size() == 10) loop->stop();
    });
    pump.start(Milliseconds(1), Milliseconds(1));
    const Watchdog watchdog(*loop, Milliseconds(5000));
    loop->run();
    REQUIRE(got.size() == 10);
    for (std::size_t i = 0; i < 10; ++i) CHECK(got[i] == big + std::to_string(i));
    CHECK(channel.queued_bytes() == 0);
  }

  TEST_CASE("descriptors travel with their own frame among others") {
    auto loop = make_loop();
    Pair pair;
    Recorder recorder(*loop);
    Channel channel(*loop, recorder);
    REQUIRE(channel.open(std::move(pair.ours)).ok());
    channel.send("first");
    std::vector<core::UniqueFd> fds;
    fds.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    fds.emplace_back(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
    channel.send("second", std::move(fds));
    channel.send("third");
    const Watchdog watchdog(*loop, Milliseconds(20));
    loop->run();
    core::FrameSocket reader(std::move(pair.theirs));
    for (const auto& [text, count] : {std::pair{"first", 0u}, std::pair{"second", 2u}, std::pair{"third", 0u}}) {
      auto frame = reader.receive(Milliseconds(1000));
      REQUIRE(frame.ok());
      REQUIRE(frame->has_value());
      CHECK((*frame)->payload == text);
      CHECK((*frame)->fds.size() == count);
    }
  }

  TEST_CASE("descriptors that arrive are handed out oldest first") {
    auto loop = make_loop();
    Pair pair;
    Recorder recorder(*loop);
    recorder.stop_after = 1;
    Channel channel(*loop, recorder, ChannelOptions{1024, true});
    REQUIRE(channel.open(std::move(pair.ours)).ok());
    core::FrameSocket sender(std::move(pair.theirs));
    const std::array<int, 3> fds{0, 1, 2};
    REQUIRE(sender.send("take", fds).ok());
    const Watchdog watchdog(*loop);
    loop->run();
    CHECK(channel.take_fds(4).empty());
    CHECK(channel.take_fds(3).size() == 3);
    CHECK(channel.take_fds(1).empty());
  }

  TEST_CASE("a paused channel reads nothing until it is drained or resumed") {
    auto loop = make_loop();
    Pair pair;
    Recorder recorder(*loop);
    Channel channel(*loop, recorder);
    REQUIRE(channel.open(std::move(pair.ours)).ok());
    channel.pause_reading();
    pair.write(std::string("\0\0\0\1a", 5));
    {
      const Watchdog watchdog(*loop, Milliseconds(20));
      loop->run();
    }
    CHECK(recorder.frames.empty());
    channel.drain();
    CHECK(recorder.frames.size() == 1);
  }

  TEST_CASE("a channel that is closed when sent says everything first") {
    auto loop = make_loop();
    Pair pair;
    Recorder recorder(*loop);
    Channel channel(*loop, recorder);
    REQUIRE(channel.open(std::move(pair.ours)).ok());
    channel.send("last words");
    channel.close_when_sent();
    const Watchdog watchdog(*loop);
    loop->run();
    CHECK(recorder.ends.size() == 1);
    core::FrameSocket reader(std::move(pair.theirs));
    auto frame = reader.receive(Milliseconds(1000));
    REQUIRE(frame.ok());
    CHECK((*frame)->payload == "last words");
  }
}
