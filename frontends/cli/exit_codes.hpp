// Exit codes of pfast. 0 to 5 are pytest's; README.md and `pfast --help` document these.
#pragma once

namespace pf::cli {

inline constexpr int k_exit_interrupted = 2;        // pytest's own

inline constexpr int k_exit_internal = 70;          // a bug of pfast, or a file of results that could not be written
inline constexpr int k_exit_no_daemon = 71;         // status, stop, logs: no daemon answers
inline constexpr int k_exit_not_started = 72;       // the daemon could not be started
inline constexpr int k_exit_interpreter = 73;       // missing, or of another version than pfast was built for
inline constexpr int k_exit_pytest = 74;            // missing or unsupported: the daemon's answer, passed on
inline constexpr int k_exit_runtime_dir = 75;       // the runtime directory is not ours
inline constexpr int k_exit_configuration = 76;     // unreadable configuration
inline constexpr int k_exit_boot_hung = 77;         // the daemon's answer, passed on
inline constexpr int k_exit_daemon_lost = 78;       // in mid-run
inline constexpr int k_exit_usage = 79;             // a wrong option of pfast's own

inline constexpr int k_exit_problems = 80;          // doctor: something should be done

inline constexpr int k_exit_signal = 128;           // plus the number of the signal that ended the client, as a shell counts

// The worse of two runs' codes: "nothing collected" is the mildest, whatever its number is.
[[nodiscard]] constexpr int worse_of(int a, int b) noexcept {
  constexpr auto rank = [](int code) { return code == 0 ? 0 : code == 5 ? 1 : code + 1; };
  return rank(a) >= rank(b) ? a : b;
}

}  // namespace pf::cli
