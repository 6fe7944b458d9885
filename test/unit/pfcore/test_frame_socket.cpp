#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <pfcore/frame_socket.hpp>

using namespace pf::core;
using namespace std::string_view_literals;
using namespace std::string_literals;
using std::chrono::milliseconds;

namespace {

struct Pair {
  explicit Pair(std::size_t max_payload_bytes = k_frame_cap_bytes) {
    auto ends = make_socket_pair().value();
    left = FrameSocket(std::move(ends.first));
    right = FrameSocket(std::move(ends.second), max_payload_bytes);
  }
  FrameSocket left;
  FrameSocket right;
};

// The payload of the next frame; "!<code>" for an error, "-" when there is none yet.
std::string received(FrameSocket& socket, std::optional<milliseconds> timeout = std::nullopt) {
  Result<std::optional<ReceivedFrame>> frame = socket.receive(timeout);
  if (!frame) return "!" + std::string(to_string(frame.error().code));
  return *frame ? (*frame)->payload : "-";
}

void write_all(const FrameSocket& socket, std::string_view bytes) {
  REQUIRE(::write(socket.fd(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

// A frame's bytes with descriptors, as a foreign program could send them.
void send_raw(const FrameSocket& socket, std::string_view bytes, const std::vector<int>& fds) {
  std::string control(CMSG_SPACE(fds.size() * sizeof(int)), '\0');
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  REQUIRE(::sendmsg(socket.fd(), &message, 0) == static_cast<ssize_t>(bytes.size()));
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

UniqueFd open_file(const char* path) { return UniqueFd(::open(path, O_RDONLY | O_CLOEXEC)); }

bool same_file(int a, const char* path) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(a), error) == path;
}

}  // namespace

TEST_SUITE("pfcore/frame_socket") {
  TEST_CASE("frames arrive in order, whole and empty ones, too") {
    Pair pair;
    const std::string large(100'000, 'x');
    for (const std::string_view payload : {"one"sv, ""sv, std::string_view(large), "four"sv}) {
      REQUIRE(pair.left.send(payload));
    }
    CHECK(received(pair.right) == "one");
    CHECK(received(pair.right).empty());
    CHECK(received(pair.right) == large);
    CHECK(received(pair.right) == "four");
    CHECK_FALSE(pair.right.has_buffered_frame());
    CHECK(received(pair.right, milliseconds(0)) == "-");
  }

  TEST_CASE("read ahead: one read takes all frames that have arrived, and one that has begun") {
    Pair pair;
    pair.right.read_ahead();
    for (const std::string_view payload : {"one"sv, ""sv, "three"sv}) REQUIRE(pair.left.send(payload));
    REQUIRE(::send(pair.left.fd(), "\0\0\0\4fo", 6, 0) == 6);
    CHECK(received(pair.right) == "one");
    std::array<char, 1> more{};
    CHECK(::recv(pair.right.fd(), more.data(), more.size(), MSG_DONTWAIT) == -1);
    CHECK(pair.right.has_buffered_frame());
    CHECK(received(pair.right).empty());
    CHECK(pair.right.has_buffered_frame());
    CHECK(received(pair.right) == "three");
    CHECK_FALSE(pair.right.has_buffered_frame());
    CHECK(received(pair.right, milliseconds(0)) == "-");
    REQUIRE(::send(pair.left.fd(), "ur", 2, 0) == 2);
    CHECK(received(pair.right) == "four");
  }

  TEST_CASE("read ahead: what is wrong with a frame is told after those before it") {
    Pair pair;
    FrameSocket reader(pair.right.release(), 8);
    reader.read_ahead();
    REQUIRE(pair.left.send("short"));
    REQUIRE(pair.left.send("more than eight bytes"));
    CHECK(received(reader) == "short");
    CHECK_FALSE(reader.has_buffered_frame());
    CHECK(reader.receive().error().code == ErrorCode::limit);
    CHECK(reader.receive().error().code == ErrorCode::limit);
  }

  TEST_CASE("read ahead: no frame may bring descriptors") {
    Pair pair;
    pair.right.read_ahead();
    const std::size_t before = open_descriptors();
    const UniqueFd null = open_file("/dev/null");
    const std::array with{null.get()};
    REQUIRE(pair.left.send("with", with));
    CHECK(pair.right.receive().error().code == ErrorCode::limit);
    CHECK(open_descriptors() == before + 1);
  }

  TEST_CASE("both ends of a pair are close-on-exec") {
    auto ends = make_socket_pair().value();
    CHECK((::fcntl(ends.first.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(ends.second.get(), F_GETFD) & FD_CLOEXEC) != 0);
  }

  TEST_CASE("descriptors arrive with their frame, in order and close-on-exec") {
    Pair pair;
    const UniqueFd null = open_file("/dev/null");
    const UniqueFd zero = open_file("/dev/zero");
    const std::array first{null.get(), zero.get()};
    const std::array second{zero.get()};
    REQUIRE(pair.left.send("none"));
    REQUIRE(pair.left.send("two", first));
    REQUIRE(pair.left.send("", second));
    REQUIRE(pair.left.send("none again"));
    CHECK(pair.right.receive().value()->fds.empty());
    const ReceivedFrame two = std::move(*pair.right.receive().value());
    REQUIRE(two.fds.size() == 2);
    CHECK(same_file(two.fds[0].get(), "/dev/null"));
    CHECK(same_file(two.fds[1].get(), "/dev/zero"));
    CHECK((::fcntl(two.fds[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    const ReceivedFrame one = std::move(*pair.right.receive().value());
    CHECK(one.payload.empty());
    REQUIRE(one.fds.size() == 1);
    CHECK(same_file(one.fds[0].get(), "/dev/zero"));
    CHECK(pair.right.receive().value()->fds.empty());
    CHECK(::fcntl(null.get(), F_GETFD) >= 0);  // still the sender's
  }

  TEST_CASE("eight descriptors are the most") {
    Pair pair;
    const std::size_t before = open_descriptors();
    const UniqueFd null = open_file("/dev/null");
    const std::vector<int> eight(k_max_frame_fds, null.get());
    REQUIRE(pair.left.send("eight", eight));
    CHECK(pair.right.receive().value()->fds.size() == k_max_frame_fds);
    const std::vector<int> nine(k_max_frame_fds + 1, null.get());
    Status refused = pair.left.send("nine", nine);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::limit);
    CHECK(received(pair.right, milliseconds(0)) == "-");
    SUBCASE("at once") { send_raw(pair.left, "\0\0\0\0"sv, nine); }
    SUBCASE("one after the other") {
      send_raw(pair.left, "\0\0"sv, eight);
      send_raw(pair.left, "\0\0"sv, {null.get()});
    }
    CHECK(received(pair.right) == "!limit");
    CHECK(open_descriptors() == before + 1);
  }

  TEST_CASE("a frame whose writes are cut anywhere arrives as one") {
    const std::string frame = "\0\0\0\x06"
                              "abcdef"s;
    for (std::size_t cut = 1; cut < frame.size(); ++cut) {
      CAPTURE(cut);
      Pair pair;
      write_all(pair.left, std::string_view(frame).substr(0, cut));
      CHECK(received(pair.right, milliseconds(0)) == "-");
      CHECK(received(pair.right, milliseconds(1)) == "-");
      write_all(pair.left, std::string_view(frame).substr(cut));
      CHECK(received(pair.right) == "abcdef");
    }
  }

  TEST_CASE("a peer that leaves between frames has closed, one that leaves inside a frame is told apart") {
    const std::string frame = "\0\0\0\x03"
                              "abc"s;
    for (std::size_t cut = 0; cut <= frame.size(); ++cut) {
      CAPTURE(cut);
      Pair pair;
      write_all(pair.left, std::string_view(frame).substr(0, cut));
      pair.left.close();
      if (cut == frame.size()) CHECK(received(pair.right) == "abc");
      Result<std::optional<ReceivedFrame>> end = pair.right.receive();
      REQUIRE_FALSE(end);
      CHECK(end.error().code == ErrorCode::closed);
      const bool inside = cut > 0 && cut < frame.size();
      CHECK(end.error().message.ends_with("inside a frame") == inside);
    }
  }

  TEST_CASE("what was sent before the peer left is read") {
    Pair pair;
    REQUIRE(pair.left.send("one"));
    REQUIRE(pair.left.send("two"));
    pair.left.close();
    CHECK(received(pair.right) == "one");
    CHECK(received(pair.right) == "two");
    CHECK(received(pair.right) == "!closed");
  }

  TEST_CASE("sending to a peer that is gone is an error and no signal") {
    Pair pair;
    pair.right.close();
    Status sent = pair.left.send("anyone?");
    REQUIRE_FALSE(sent);
    CHECK(sent.error().code == ErrorCode::closed);
  }

  TEST_CASE("a socket that is closed on this side says so") {
    Pair pair;
    UniqueFd taken = pair.left.release();
    CHECK(taken.valid());
    CHECK_FALSE(pair.left.valid());
    CHECK(received(pair.left) == "!closed");
    CHECK_FALSE(pair.left.send("x"));
    FrameSocket never;
    CHECK(received(never) == "!closed");
  }

  TEST_CASE("a frame over the reader's bound is refused before its bytes are there") {
    Pair pair(10);
    REQUIRE(pair.left.send("0123456789"));
    write_all(pair.left, "\0\0\0\x0b"sv);
    CHECK(received(pair.right) == "0123456789");
    CHECK(received(pair.right) == "!limit");
  }

  TEST_CASE("a payload over 256 MiB is not sent at all") {
    Pair pair;
    Status sent = pair.left.send(std::string_view("x", k_frame_cap_bytes + 1));
    REQUIRE_FALSE(sent);
    CHECK(sent.error().code == ErrorCode::limit);
    CHECK(received(pair.right, milliseconds(0)) == "-");
  }

  TEST_CASE("a frame larger than the socket's buffer goes through, blocking or not") {
    Pair pair;
    std::string large(3 << 20, '\0');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7 % 251);
    int flags = 0;
    SUBCASE("blocking") {}
    SUBCASE("not blocking") { flags = O_NONBLOCK; }
    REQUIRE(::fcntl(pair.left.fd(), F_SETFL, flags) == 0);
    const UniqueFd null = open_file("/dev/null");
    const std::array fds{null.get()};
    std::thread sender([&] { (void)pair.left.send(large, fds); });
    Result<std::optional<ReceivedFrame>> frame = pair.right.receive();
    sender.join();
    REQUIRE(frame);
    CHECK((*frame)->payload == large);
    CHECK((*frame)->fds.size() == 1);
  }

  TEST_CASE("descriptors of a frame that never becomes whole are closed with the socket") {
    const std::size_t before = open_descriptors();
    {
      Pair pair;
      const UniqueFd null = open_file("/dev/null");
      send_raw(pair.left, "\0\0\0\x09half"sv, {null.get(), null.get()});
      CHECK(received(pair.right, milliseconds(0)) == "-");
    }
    CHECK(open_descriptors() == before);
  }
}
