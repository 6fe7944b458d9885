// A message of every type of protocol version 2, with no member left at its default.
#pragma once

#include <pfcore/daemon_messages.hpp>
#include <pfcore/measured_messages.hpp>
#include <pfcore/watch_messages.hpp>

namespace pf::test {

inline const std::string k_bytes("\x00\xff\n", 3);   // no UTF-8

inline core::PhaseReport sample_phase() {
  core::PhaseReport phase;
  phase.when = "call";
  phase.outcome = "failed";
  phase.duration_s = 0.25;
  phase.cpu_s = 0.125;
  phase.start_s = 1700000000.5;
  phase.queued_s = 0.0625;
  phase.longrepr = ">       assert 0\nE       assert 0";
  phase.reason = "assert 0 — \xed\xa0\x80";   // with a lone surrogate
  phase.category = "failed";
  phase.letter = "F";
  phase.word = "FAILED";
  phase.wasxfail = true;
  phase.headline = "TestA.test_b";
  phase.location = "test_a.py:7";
  phase.crash_line = "/suite/test_a.py:7: assert 0";
  phase.sections = {{"Captured stdout call", "out\n"}, {"Captured stderr call", "err\n"}};
  phase.properties = {{"key", "value"}};
  return phase;
}

inline core::ItemResult sample(core::ItemResult message) {
  message.item = 4'000'000'000u;
  message.nodeid = "test_a.py::TestA::test_b[ü]";
  message.worker = "gw1";
  message.attempt = 2;
  message.outcome = "failed";
  core::PhaseReport setup;
  setup.when = "setup";
  setup.outcome = "passed";
  message.phases = {setup, sample_phase()};
  message.opaque = {k_bytes, ""};
  message.testcase = "<testcase name=\"test_b\" />";
  message.lost = "worker 'gw1' crashed while running 'test_a.py::TestA::test_b[ü]'";
  message.busy_s = 0.75;
  message.fixtures = {{"database", "tests", "module", "postgres", 1.5}};
  message.profile = {"0.250 s in 12 calls of wait (client.py:7)"};
  return message;
}

inline core::WarningReport sample(core::WarningReport message) {
  message.when = "runtest";
  message.nodeid = "test_a.py::test_b";
  message.message = "/suite/test_a.py:3: UserWarning: careful";
  message.category = "UserWarning";
  message.location = "test_a.py::test_b";
  message.opaque = k_bytes;
  return message;
}

inline core::Hello sample(core::Hello message) {
  message.version = "0.10.0";
  message.pid = 4711;
  return message;
}

inline core::RunRequest sample(core::RunRequest message) {
  message.argv = {"-k", "name", "caf\xe9"};
  message.cwd = "/suite/caf\xe9";
  message.env = {{"PATH", "/usr/bin"}, {"ODD", "\xe9"}, {"A", ""}};
  message.umask = 077;
  message.program = "/venv/bin/pytest";
  message.options.workers = 8;
  message.options.dist = "loadfile";
  message.options.reporter = "pytest";
  message.options.color = "yes";
  message.options.start_method = "fork";
  message.options.timeout_s = 1.5;
  message.options.boot_timeout_s = 240;
  message.options.retries = 3;
  message.options.retry_delay_s = 0.5;
  message.options.flaky_fails = true;
  message.options.max_worker_restart = 4;
  message.options.nice = 10;
  message.options.memory_floor_mib = 300;
  message.options.hang_dump_s = 60;
  message.options.full_report = true;
  message.options.verbose_plan = true;
  message.options.measure = "fixtures";
  message.options.nodeids = {"a.py::test_b", "a.py::test_a[ü]"};
  message.terminal.columns = 120;
  message.terminal.rows = 50;
  message.terminal.stdin_is_tty = true;
  message.terminal.stdout_is_tty = true;
  message.terminal.stderr_is_tty = true;
  return message;
}

inline core::CancelRequest sample(core::CancelRequest message) {
  message.how = "kill";
  return message;
}

inline core::StatusRequest sample(core::StatusRequest message) { return message; }

inline core::ShutdownRequest sample(core::ShutdownRequest message) {
  message.now = true;
  return message;
}

inline core::ResizeRequest sample(core::ResizeRequest message) {
  message.columns = 132;
  message.rows = 43;
  return message;
}

inline core::Welcome sample(core::Welcome message) {
  message.version = "0.10.0";
  message.pid = 4712;
  return message;
}

inline core::PhaseEvent sample(core::PhaseEvent message) {
  message.name = "boot";
  message.detail = "changed: tests/test_a.py";
  message.elapsed_ms = 12.5;
  return message;
}

inline core::PlanEvent sample(core::PlanEvent message) {
  message.way = "adopt";
  message.why = "the options equal the generation's";
  return message;
}

inline core::TextOptions sample_text_options() {
  core::TextOptions text;
  text.known = true;
  text.color = true;
  text.verbosity = 2;
  text.verbosity_test_cases = -1;
  text.progress = "count";
  text.captures = false;
  text.no_header = true;
  text.no_summary = true;
  text.report_chars = "xA";
  text.durations = 5;
  text.durations_min_s = 0.5;
  text.show_capture = false;
  text.disable_warnings = true;
  text.fold_skips = false;
  text.xfail_tb = true;
  text.short_reasons = true;
  text.tb = "line";
  text.rootdir = "/p";
  text.cwd = "/p/sub";
  return text;
}

inline core::CollectedEvent sample(core::CollectedEvent message) {
  message.selected = 9690;
  message.deselected = 3;
  message.errors = 1;
  message.workers = 2;
  message.collect_reports = {sample_phase()};
  message.text = sample_text_options();
  return message;
}

inline core::ProgressEvent sample(core::ProgressEvent message) {
  message.done = 5;
  message.total = 9690;
  message.failed = 1;
  message.running = {{"gw0", "test_a.py::test_b"}, {"gw1", "test_a.py::test_c"}};
  return message;
}

inline core::OutputEvent sample(core::OutputEvent message) {
  message.stream = 2;
  message.data = k_bytes;
  return message;
}

inline core::MeasuredEvent sample(core::MeasuredEvent message) {
  message.workers = 2;
  message.processors = 8;
  message.wall_s = 2.5;
  message.lives = {{1, 12, 0.125, 2.25, 1.5, 1.25, 0.25}};
  message.frames = 13;
  message.bytes = 2400;
  message.groups = {0, 0x80000000u};
  return message;
}

inline core::FinishedEvent sample(core::FinishedEvent message) {
  message.exit_code = 3;
  message.reason = "stopping after 1 failures";
  message.reason_at = "/p/test_a.py:7: KeyboardInterrupt\n";
  message.text_shown = true;
  message.total = 9690;
  message.not_run = 2;
  message.not_run_nodeids = {"test_a.py::test_x", "test_a.py::test_y"};
  message.duration_s = 1.75;
  message.wait_ms = 0.5;
  message.boot_ms = 2200;
  message.select_ms = 6.25;
  message.run_ms = 1500;
  return message;
}

inline core::ErrorEvent sample(core::ErrorEvent message) {
  message.code = "boot-failed";
  message.message = "collect /suite: pytest ended with exit code 4";
  message.hint = "run pytest there";
  message.exit_code = 4;
  message.output = k_bytes;
  return message;
}

inline core::StatusReply sample(core::StatusReply message) {
  message.pid = 4712;
  message.address = "/run/user/0/pfast/ab12.sock";
  message.version = "0.10.0";
  message.uptime_s = 61.5;
  message.rss_bytes = 12'345'678;
  core::GenerationStatus generation;
  generation.id = 3;
  generation.state = "ready";
  generation.pid = 4713;
  generation.items = 9690;
  generation.age_s = 60.5;
  generation.rss_bytes = 200'000'000;
  generation.reason = "changed: conftest.py";
  generation.checkpoints = {{4714, "/suite/caf\xe9.py"}};
  message.generations = {generation};
  core::RunStatus run;
  run.id = 17;
  run.done = 5;
  run.total = 10;
  core::WorkerStatus worker;
  worker.name = "gw0";
  worker.pid = 4714;
  worker.nodeid = "test_a.py::test_b";
  worker.for_s = 0.75;
  run.workers = {worker};
  message.runs = {run};
  message.clients = 2;
  message.root = "/suite";
  message.python = "/venv/bin/python";
  message.ttl_s = 600;
  return message;
}

inline core::ShutdownReply sample(core::ShutdownReply message) { return message; }

inline core::RefreshRequest sample(core::RefreshRequest message) {
  message.request = sample(core::RunRequest{});
  message.only_stale = true;
  message.expired = "changed: data/rates.csv";
  return message;
}

inline core::WatchRequest sample(core::WatchRequest message) {
  message.poll_s = 0.25;
  message.keep = true;
  return message;
}

inline core::WatchState sample(core::WatchState message) {
  message.touched = true;
  message.serial = 3;
  message.outdated = "changed: conftest.py";
  message.changed = {"/suite/conftest.py", "/suite/caf\xe9.py"};
  message.generations = 2;
  message.problem = "watch /suite/tests: no space left on device";
  return message;
}

inline core::HandOverRequest sample(core::HandOverRequest message) {
  message.done = true;
  return message;
}

inline core::HandedOver sample(core::HandedOver message) { return message; }

inline core::Refreshed sample(core::Refreshed message) {
  core::RefreshedGeneration generation;
  generation.id = 4;
  generation.items = 9690;
  generation.booted = true;
  generation.why = "changed: conftest.py";
  generation.boot_s = 2.25;
  generation.errors = 1;
  generation.output = "E   SyntaxError: caf\xe9\n";
  message.generations = {generation, core::RefreshedGeneration{}};
  return message;
}

inline core::BootRequest sample(core::BootRequest message) {
  message.argv = {"-q", "caf\xe9"};
  message.scope = {"tests"};
  message.scope_is_whole = true;
  message.cwd = "/suite/caf\xe9";
  message.program = "/venv/bin/pytest";
  message.umask = 027;
  return message;
}

inline core::LadderRequest sample(core::LadderRequest message) {
  message.hot = {"/suite/caf\xe9.py"};
  return message;
}

inline core::LadderReady sample(core::LadderReady message) {
  message.input_marks = {0, 1};
  message.obstacle = "2 threads were alive before tests/test_a.py";
  return message;
}

inline core::CheckpointMade sample(core::CheckpointMade message) {
  message.pid = 4714;
  message.mark = 812;
  message.work_s = 0.75;
  message.before = "/suite/caf\xe9.py";
  message.hot = true;
  return message;
}

inline core::ResumeRequest sample(core::ResumeRequest message) { return message; }

inline core::Resumed sample(core::Resumed message) {
  message.pid = 4715;
  return message;
}

inline core::InputFile sample_input() {
  core::InputFile input;
  input.path = "/suite/caf\xe9.py";
  input.dev = 0xffffffffffffff01u;   // overlay file systems set the highest bits
  input.ino = 0x8000000000000002u;
  input.mode = 0100644;
  input.size = 1234;
  input.mtime_ns = 1'700'000'000'123'456'789;
  input.ctime_ns = -1;
  input.content_hash = std::string("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff", 16);
  return input;
}

inline core::ImageThread sample_thread() { return {"pulse", "mymodule", "/suite/mymodule.py:12"}; }

inline core::ImageSocket sample_socket() {
  core::ImageSocket socket;
  socket.fd = 9;
  socket.kind = "tcp";
  socket.local = "127.0.0.1:40000";
  socket.peer = "127.0.0.1:5432";
  socket.listening = true;
  socket.module = "shop.db";
  socket.location = "/suite/shop/db.py:7";
  return socket;
}

inline core::BootReady sample(core::BootReady message) {
  message.nodeids = {"test_a.py::test_b", "test_a.py::test_b", "test_c.py::test_日"};
  message.inputs = {sample_input(), core::InputFile{}};
  message.env_read = {{"HOME", "/root"}, {"ODD", "\xe9"}};
  message.env_absent = {"CI"};
  message.env_read_whole = true;
  message.threads = {sample_thread()};
  message.native_threads = 3;
  message.sockets = {sample_socket(), core::ImageSocket{}};
  message.flags = {"-O", "-X dev"};
  message.libpython = "/usr/lib/caf\xe9/libpython3.11.so.1.0";
  message.python_version = "3.11.7";
  message.pytest_version = "9.2.0";
  message.collect_errors = 1;
  return message;
}

inline core::BootFailed sample(core::BootFailed message) {
  message.exit_code = 4;
  message.message = "pytest is not installed";
  message.inputs = {sample_input()};
  return message;
}

inline core::ForkRequest sample(core::ForkRequest message) {
  message.run_id = 17;
  message.request = sample(core::RunRequest{});
  return message;
}

inline core::Forked sample(core::Forked message) {
  message.run_id = 17;
  message.pid = 4715;
  message.error = "Resource temporarily unavailable";
  return message;
}

inline core::ChildExited sample(core::ChildExited message) {
  message.pid = 4715;
  message.status = 9;
  return message;
}

inline core::Selected sample(core::Selected message) {
  message.way = "fresh";
  message.why = "-p";
  message.nodeids = {"test_a.py::test_b", "test_a.py::test_c"};
  message.groups = {7, 0x80000007};
  message.serial = {1};
  message.resources = {"db", "port"};
  message.seats = {2, 1};
  message.needs = {0, 1, 1, 0};
  message.time_limits = {1, 2500};
  message.cache_dir = "/p/.pytest_cache/d/pfast";
  message.deselected = 4;
  message.collect_reports = {sample_phase()};
  message.maxfail = 1;
  message.max_worker_restart = 2;
  message.inline_run = true;
  message.own_sessions = true;
  message.session_over = true;
  message.outside_scope = true;
  message.text_shown = true;
  message.wants_reports = true;
  message.text = sample_text_options();
  return message;
}

inline core::Assign sample(core::Assign message) {
  message.workers = 3;
  message.in_controller = true;
  message.opaque = true;
  return message;
}

inline core::SpawnWorker sample(core::SpawnWorker message) {
  message.slot = 2;
  return message;
}

inline core::WorkerStarted sample(core::WorkerStarted message) {
  message.slot = 2;
  message.pid = 4716;
  return message;
}

inline core::WorkerExited sample(core::WorkerExited message) {
  message.slot = 2;
  message.pid = 4716;
  message.status = 256;
  message.cause = "it did not collect the suite within 120 s";
  message.stacks = "Current thread 0x1 (most recent call first):\n";
  message.sections = {{"Captured stdout call", "so far\n"}};
  return message;
}

inline core::WorkerBoot sample(core::WorkerBoot message) {
  message.slot = 2;
  message.workers = 8;
  message.opaque = true;
  message.request = sample(core::RunRequest{});
  message.identity = k_bytes;
  return message;
}

inline core::ReportForward sample(core::ReportForward message) {
  message.item = 12;
  message.worker = "gw2";
  message.opaque = {k_bytes, k_bytes};
  message.lost = "worker 'gw2' crashed while running 'test_a.py::test_b'";
  return message;
}

inline core::Testcases sample(core::Testcases message) {
  message.items = {3, 70'000};
  message.texts = {"<testcase name=\"test_a\" />", "<testcase name=\"test_b\" />"};
  return message;
}

inline core::EndRun sample(core::EndRun message) {
  message.failed = {1, 70'000};
  message.passed = {0, 2, 3};
  message.stop_reason = "KeyboardInterrupt";
  message.interrupted = true;
  message.interrupted_at = "/p/test_a.py:7: KeyboardInterrupt\n";
  message.interrupt_code = 9;
  return message;
}

inline core::ControllerFinished sample(core::ControllerFinished message) {
  message.exit_code = 1;
  message.stop_reason = "stopping after 1 failures";
  message.output = k_bytes;
  message.duration_s = 1.25;
  return message;
}

inline core::WorkerFinished sample(core::WorkerFinished message) {
  message.ran = 12;
  message.busy_s = 1.5;
  message.cpu_s = 1.25;
  message.wall_s = 2.5;
  message.begun_s = 1000.5;
  message.ended_s = 1002.75;
  message.queued_s = 0.125;
  message.interrupted = "exit: enough";
  message.interrupted_at = "/p/test_a.py:7: KeyboardInterrupt\n";
  message.exit_code = 7;
  message.internal_error = "INTERNALERROR> Traceback";
  return message;
}

inline core::ExplainRequest sample(core::ExplainRequest message) { return message; }

inline core::Explanation sample(core::Explanation message) {
  core::GenerationReport report;
  report.status = sample(core::StatusReply{}).generations.front();
  report.argv = {"-q", "caf\xe9"};
  report.cwd = "/suite/caf\xe9";
  report.scope = {"tests"};
  report.scope_is_whole = true;
  report.options = {"-W", "error"};
  report.env_keys = {"LANG", "ODD\xe9"};
  report.env_read = {"ODD\xe9"};
  report.env_absent = {"CI"};
  report.env_read_whole = true;
  report.inputs = 812;
  report.input_folders = 40;
  report.input_absent = 12;
  report.watch_folders = 44;
  report.watched = true;
  report.watch_problem = "watch files (fs.inotify.max_user_instances): Too many open files";
  report.boot_s = 2.25;
  report.collect_errors = 1;
  report.python_version = "3.11.7";
  report.pytest_version = "9.2.0";
  report.libpython = "/usr/lib/libpython3.11.so.1.0";
  report.flags = {"-O"};
  report.threads = {sample_thread()};
  report.native_threads = 3;
  report.sockets = {sample_socket()};
  report.no_checkpoints = "a thread was alive";
  report.resumed_before = "/suite/caf\xe9.py";
  message.generations = {report, core::GenerationReport{}};
  message.forkserver = "/caf\xe9/pfast-forkserver";
  message.workers = 2;
  message.max_generations = 4;
  message.memory_bytes = 4'000'000'000;
  message.boot_timeout_s = 120;
  message.descriptors = 21;
  message.descriptor_limit = 65536;
  return message;
}

// Calls `visit` with a sample of every type.
template <typename Visit>
void for_every_message(Visit&& visit) {
  const auto each = [&]<typename... T>(T... empty) { (visit(sample(empty)), ...); };
  each(core::ItemResult{}, core::WarningReport{}, core::Hello{}, core::RunRequest{}, core::CancelRequest{}, core::StatusRequest{},
       core::ShutdownRequest{}, core::ResizeRequest{}, core::Welcome{}, core::PhaseEvent{}, core::PlanEvent{},
       core::CollectedEvent{}, core::ProgressEvent{}, core::OutputEvent{}, core::MeasuredEvent{}, core::FinishedEvent{}, core::ErrorEvent{},
       core::StatusReply{}, core::ShutdownReply{}, core::BootRequest{}, core::BootReady{}, core::BootFailed{}, core::LadderRequest{},
       core::LadderReady{}, core::CheckpointMade{}, core::ResumeRequest{}, core::Resumed{},
       core::ForkRequest{}, core::Forked{}, core::ChildExited{}, core::Selected{}, core::Assign{}, core::SpawnWorker{},
       core::WorkerStarted{}, core::WorkerExited{}, core::WorkerBoot{}, core::ReportForward{}, core::Testcases{}, core::EndRun{},
       core::ControllerFinished{}, core::WorkerFinished{}, core::RefreshRequest{}, core::Refreshed{}, core::HandOverRequest{}, core::HandedOver{},
       core::ExplainRequest{}, core::Explanation{}, core::WatchRequest{}, core::WatchState{});
}

}  // namespace pf::test
