// The fields of every message, each listed once: `fields(visitor, message)` calls the visitor for each of them, in the
// order in which they travel. An encoder passes const messages, a decoder mutable ones.
//
//   v.field(key, member)    by the member's type: text as str, numbers, bool, lists, nested dicts
//   v.bytes(key, member)    a std::string or a list of them, as bytes
//   v.environment(key, m)   pairs, as a dict of bytes
//   v.terse()               fields that are empty, zero or false are left out from here on
#pragma once

#include <concepts>
#include <type_traits>

#include <pfcore/daemon_messages.hpp>
#include <pfcore/measured_messages.hpp>
#include <pfcore/watch_messages.hpp>

namespace pf::core {

template <typename M, typename T>
concept Message = std::same_as<std::remove_const_t<M>, T>;

// ---------------------------------------------------------------- shared parts

// Every item has two or three of these, so what says nothing is left out.
void fields(auto& v, Message<PhaseReport> auto& m) {
  v.terse();
  v.field("when", m.when);
  v.field("outcome", m.outcome);
  v.field("duration_s", m.duration_s);
  v.field("cpu_s", m.cpu_s);
  v.field("start_s", m.start_s);
  v.field("queued_s", m.queued_s);
  v.field("longrepr", m.longrepr);
  v.field("reason", m.reason);
  v.field("category", m.category);
  v.field("letter", m.letter);
  v.field("word", m.word);
  v.field("wasxfail", m.wasxfail);
  v.field("headline", m.headline);
  v.field("location", m.location);
  v.field("crash_line", m.crash_line);
  v.field("sections", m.sections);
  v.field("properties", m.properties);
}

void fields(auto& v, Message<FixtureReport> auto& m) {
  v.terse();
  v.field("fixture", m.fixture);
  v.field("origin", m.origin);
  v.field("scope", m.scope);
  v.field("param", m.param);
  v.field("took_s", m.took_s);
}

void fields(auto& v, Message<ItemResult> auto& m) {
  v.field("item", m.item);
  v.field("outcome", m.outcome);
  v.field("phases", m.phases);
  v.terse();
  v.field("nodeid", m.nodeid);
  v.field("worker", m.worker);
  v.field("attempt", m.attempt, 1u);
  v.bytes("opaque", m.opaque);
  v.field("testcase", m.testcase);
  v.field("lost", m.lost);
  v.field("busy_s", m.busy_s);
  v.field("fixtures", m.fixtures);
  v.field("profile", m.profile);
}

void fields(auto& v, Message<TextOptions> auto& m) {
  v.field("known", m.known);
  v.field("color", m.color);
  v.field("verbosity", m.verbosity);
  v.field("verbosity_test_cases", m.verbosity_test_cases);
  v.field("progress", m.progress);
  v.field("captures", m.captures);
  v.field("no_header", m.no_header);
  v.field("no_summary", m.no_summary);
  v.field("report_chars", m.report_chars);
  v.field("durations", m.durations);
  v.field("durations_min_s", m.durations_min_s);
  v.field("show_capture", m.show_capture);
  v.field("disable_warnings", m.disable_warnings);
  v.field("fold_skips", m.fold_skips);
  v.field("xfail_tb", m.xfail_tb);
  v.field("short_reasons", m.short_reasons);
  v.field("tb", m.tb);
  v.bytes("rootdir", m.rootdir);
  v.bytes("cwd", m.cwd);
}

void fields(auto& v, Message<WarningReport> auto& m) {
  v.field("when", m.when);
  v.field("nodeid", m.nodeid);
  v.field("message", m.message);
  v.field("category", m.category);
  v.field("location", m.location);
  v.bytes("opaque", m.opaque);
}

// ---------------------------------------------------------------- client -> daemon

void fields(auto& v, Message<Hello> auto& m) {
  v.field("protocol", m.protocol);
  v.field("version", m.version);
  v.field("pid", m.pid);
}

void fields(auto& v, Message<RunOptions> auto& m) {
  v.field("workers", m.workers);
  v.field("dist", m.dist);
  v.field("reporter", m.reporter);
  v.field("color", m.color);
  v.field("start_method", m.start_method);
  v.field("timeout_s", m.timeout_s);
  v.field("boot_timeout_s", m.boot_timeout_s);
  v.field("retries", m.retries);
  v.field("retry_delay_s", m.retry_delay_s);
  v.field("flaky_fails", m.flaky_fails);
  v.field("max_worker_restart", m.max_worker_restart);
  v.field("nice", m.nice);
  v.field("memory_floor_mib", m.memory_floor_mib);
  v.field("hang_dump_s", m.hang_dump_s);
  v.field("full_report", m.full_report);
  v.field("verbose_plan", m.verbose_plan);
  v.field("measure", m.measure);
  v.field("nodeids", m.nodeids);
}

void fields(auto& v, Message<TerminalInfo> auto& m) {
  v.field("columns", m.columns);
  v.field("rows", m.rows);
  v.field("stdin_is_tty", m.stdin_is_tty);
  v.field("stdout_is_tty", m.stdout_is_tty);
  v.field("stderr_is_tty", m.stderr_is_tty);
}

void fields(auto& v, Message<RunRequest> auto& m) {
  v.bytes("argv", m.argv);
  v.bytes("cwd", m.cwd);
  v.environment("env", m.env);
  v.field("umask", m.umask);
  v.bytes("program", m.program);
  v.field("options", m.options);
  v.field("terminal", m.terminal);
}

void fields(auto& v, Message<CancelRequest> auto& m) { v.field("how", m.how); }

void fields(auto&, Message<StatusRequest> auto&) {}

void fields(auto& v, Message<ShutdownRequest> auto& m) { v.field("now", m.now); }

void fields(auto& v, Message<RefreshRequest> auto& m) {
  v.field("request", m.request);
  v.field("only_stale", m.only_stale);
  v.field("expired", m.expired);
}

void fields(auto& v, Message<WatchRequest> auto& m) {
  v.field("poll_s", m.poll_s);
  v.field("keep", m.keep);
}

void fields(auto& v, Message<ResizeRequest> auto& m) {
  v.field("columns", m.columns);
  v.field("rows", m.rows);
}

// ---------------------------------------------------------------- daemon -> client

void fields(auto& v, Message<Welcome> auto& m) {
  v.field("protocol", m.protocol);
  v.field("version", m.version);
  v.field("pid", m.pid);
}

void fields(auto& v, Message<PhaseEvent> auto& m) {
  v.field("name", m.name);
  v.field("detail", m.detail);
  v.field("elapsed_ms", m.elapsed_ms);
}

void fields(auto& v, Message<PlanEvent> auto& m) {
  v.field("way", m.way);
  v.field("why", m.why);
}

void fields(auto& v, Message<CollectedEvent> auto& m) {
  v.field("selected", m.selected);
  v.field("deselected", m.deselected);
  v.field("errors", m.errors);
  v.field("workers", m.workers);
  v.field("collect_reports", m.collect_reports);
  v.field("text", m.text);
}

void fields(auto& v, Message<ProgressEvent> auto& m) {
  v.field("done", m.done);
  v.field("total", m.total);
  v.field("failed", m.failed);
  v.field("running", m.running);
}

void fields(auto& v, Message<OutputEvent> auto& m) {
  v.field("stream", m.stream);
  v.bytes("data", m.data);
}

void fields(auto& v, Message<LifeReport> auto& m) {
  v.field("worker", m.worker);
  v.field("ran", m.ran);
  v.field("begun_s", m.begun_s);
  v.field("ended_s", m.ended_s);
  v.field("busy_s", m.busy_s);
  v.field("cpu_s", m.cpu_s);
  v.field("queued_s", m.queued_s);
}

void fields(auto& v, Message<MeasuredEvent> auto& m) {
  v.field("workers", m.workers);
  v.field("processors", m.processors);
  v.field("wall_s", m.wall_s);
  v.field("lives", m.lives);
  v.field("frames", m.frames);
  v.field("bytes", m.bytes);
  v.field("groups", m.groups);
}

void fields(auto& v, Message<FinishedEvent> auto& m) {
  v.field("exit_code", m.exit_code);
  v.field("reason", m.reason);
  v.field("reason_at", m.reason_at);
  v.field("text_shown", m.text_shown);
  v.field("total", m.total);
  v.field("not_run", m.not_run);
  v.field("not_run_nodeids", m.not_run_nodeids);
  v.field("duration_s", m.duration_s);
  v.field("wait_ms", m.wait_ms);
  v.field("boot_ms", m.boot_ms);
  v.field("select_ms", m.select_ms);
  v.field("run_ms", m.run_ms);
}

void fields(auto& v, Message<ErrorEvent> auto& m) {
  v.field("code", m.code);
  v.field("message", m.message);
  v.field("hint", m.hint);
  v.field("exit_code", m.exit_code);
  v.bytes("output", m.output);
}

void fields(auto& v, Message<WorkerStatus> auto& m) {
  v.field("name", m.name);
  v.field("pid", m.pid);
  v.field("nodeid", m.nodeid);
  v.field("for_s", m.for_s);
}

void fields(auto& v, Message<RunStatus> auto& m) {
  v.field("id", m.id);
  v.field("done", m.done);
  v.field("total", m.total);
  v.field("workers", m.workers);
}

void fields(auto& v, Message<CheckpointStatus> auto& m) {
  v.field("pid", m.pid);
  v.bytes("before", m.before);
}

void fields(auto& v, Message<GenerationStatus> auto& m) {
  v.field("id", m.id);
  v.field("state", m.state);
  v.field("pid", m.pid);
  v.field("items", m.items);
  v.field("age_s", m.age_s);
  v.field("rss_bytes", m.rss_bytes);
  v.field("reason", m.reason);
  v.field("checkpoints", m.checkpoints);
}

void fields(auto& v, Message<StatusReply> auto& m) {
  v.field("pid", m.pid);
  v.field("address", m.address);
  v.field("version", m.version);
  v.field("uptime_s", m.uptime_s);
  v.field("rss_bytes", m.rss_bytes);
  v.field("generations", m.generations);
  v.field("runs", m.runs);
  v.field("clients", m.clients);
  v.field("root", m.root);
  v.field("python", m.python);
  v.field("ttl_s", m.ttl_s);
}

void fields(auto&, Message<ShutdownReply> auto&) {}

void fields(auto& v, Message<HandOverRequest> auto& m) { v.field("done", m.done); }

void fields(auto&, Message<HandedOver> auto&) {}

void fields(auto& v, Message<RefreshedGeneration> auto& m) {
  v.field("id", m.id);
  v.field("items", m.items);
  v.field("booted", m.booted);
  v.field("why", m.why);
  v.field("boot_s", m.boot_s);
  v.field("errors", m.errors);
  v.bytes("output", m.output);
}

void fields(auto& v, Message<WatchState> auto& m) {
  v.field("touched", m.touched);
  v.field("serial", m.serial);
  v.field("outdated", m.outdated);
  v.bytes("changed", m.changed);
  v.field("generations", m.generations);
  v.field("problem", m.problem);
}

void fields(auto& v, Message<Refreshed> auto& m) { v.field("generations", m.generations); }

void fields(auto&, Message<ExplainRequest> auto&) {}

void fields(auto& v, Message<GenerationReport> auto& m) {
  v.field("status", m.status);
  v.bytes("argv", m.argv);
  v.bytes("cwd", m.cwd);
  v.bytes("scope", m.scope);
  v.field("scope_is_whole", m.scope_is_whole);
  v.bytes("options", m.options);
  v.bytes("env_keys", m.env_keys);
  v.bytes("env_read", m.env_read);
  v.bytes("env_absent", m.env_absent);
  v.field("env_read_whole", m.env_read_whole);
  v.field("inputs", m.inputs);
  v.field("input_folders", m.input_folders);
  v.field("input_absent", m.input_absent);
  v.field("watch_folders", m.watch_folders);
  v.field("watched", m.watched);
  v.field("watch_problem", m.watch_problem);
  v.field("boot_s", m.boot_s);
  v.field("collect_errors", m.collect_errors);
  v.field("python_version", m.python_version);
  v.field("pytest_version", m.pytest_version);
  v.bytes("libpython", m.libpython);
  v.field("flags", m.flags);
  v.field("threads", m.threads);
  v.field("native_threads", m.native_threads);
  v.field("sockets", m.sockets);
  v.field("no_checkpoints", m.no_checkpoints);
  v.bytes("resumed_before", m.resumed_before);
}

void fields(auto& v, Message<Explanation> auto& m) {
  v.field("generations", m.generations);
  v.bytes("forkserver", m.forkserver);
  v.field("workers", m.workers);
  v.field("max_generations", m.max_generations);
  v.field("memory_bytes", m.memory_bytes);
  v.field("boot_timeout_s", m.boot_timeout_s);
  v.field("descriptors", m.descriptors);
  v.field("descriptor_limit", m.descriptor_limit);
}

// ---------------------------------------------------------------- daemon <-> forkserver

void fields(auto& v, Message<BootRequest> auto& m) {
  v.bytes("argv", m.argv);
  v.bytes("scope", m.scope);
  v.field("scope_is_whole", m.scope_is_whole);
  v.bytes("cwd", m.cwd);
  v.bytes("program", m.program);
  v.field("umask", m.umask);
  v.field("spare", m.spare);
}

void fields(auto& v, Message<LadderRequest> auto& m) { v.bytes("hot", m.hot); }

void fields(auto& v, Message<LadderReady> auto& m) {
  v.field("input_marks", m.input_marks);
  v.field("obstacle", m.obstacle);
}

void fields(auto& v, Message<CheckpointMade> auto& m) {
  v.field("pid", m.pid);
  v.field("mark", m.mark);
  v.field("work_s", m.work_s);
  v.bytes("before", m.before);
  v.field("hot", m.hot);
}

void fields(auto&, Message<ResumeRequest> auto&) {}

void fields(auto& v, Message<Resumed> auto& m) { v.field("pid", m.pid); }

void fields(auto& v, Message<ImageThread> auto& m) {
  v.field("name", m.name);
  v.field("module", m.module);
  v.field("location", m.location);
}

void fields(auto& v, Message<ImageSocket> auto& m) {
  v.field("fd", m.fd);
  v.field("kind", m.kind);
  v.field("local", m.local);
  v.field("peer", m.peer);
  v.field("listening", m.listening);
  v.field("module", m.module);
  v.field("location", m.location);
}

void fields(auto& v, Message<BootReady> auto& m) {
  v.field("nodeids", m.nodeids);
  v.field("inputs", m.inputs);
  v.environment("env_read", m.env_read);
  v.bytes("env_absent", m.env_absent);
  v.field("env_read_whole", m.env_read_whole);
  v.field("threads", m.threads);
  v.field("native_threads", m.native_threads);
  v.field("sockets", m.sockets);
  v.field("flags", m.flags);
  v.bytes("libpython", m.libpython);
  v.field("python_version", m.python_version);
  v.field("pytest_version", m.pytest_version);
  v.field("collect_errors", m.collect_errors);
}

void fields(auto& v, Message<BootFailed> auto& m) {
  v.field("exit_code", m.exit_code);
  v.field("message", m.message);
  v.field("inputs", m.inputs);
}

void fields(auto& v, Message<ForkRequest> auto& m) {
  v.field("run_id", m.run_id);
  v.field("request", m.request);
}

void fields(auto& v, Message<Forked> auto& m) {
  v.field("run_id", m.run_id);
  v.field("pid", m.pid);
  v.field("error", m.error);
}

void fields(auto& v, Message<ChildExited> auto& m) {
  v.field("pid", m.pid);
  v.field("status", m.status);
}

// ---------------------------------------------------------------- daemon <-> controller

void fields(auto& v, Message<Selected> auto& m) {
  v.field("way", m.way);
  v.field("why", m.why);
  v.field("nodeids", m.nodeids);
  v.field("groups", m.groups);
  v.field("serial", m.serial);
  v.field("resources", m.resources);
  v.field("seats", m.seats);
  v.field("needs", m.needs);
  v.field("time_limits", m.time_limits);
  v.bytes("cache_dir", m.cache_dir);
  v.field("deselected", m.deselected);
  v.field("collect_reports", m.collect_reports);
  v.field("maxfail", m.maxfail);
  v.field("max_worker_restart", m.max_worker_restart);
  v.field("inline_run", m.inline_run);
  v.field("own_sessions", m.own_sessions);
  v.field("session_over", m.session_over);
  v.field("outside_scope", m.outside_scope);
  v.field("text_shown", m.text_shown);
  v.field("wants_reports", m.wants_reports);
  v.field("text", m.text);
}

void fields(auto& v, Message<Assign> auto& m) {
  v.field("workers", m.workers);
  v.field("in_controller", m.in_controller);
  v.field("opaque", m.opaque);
}

void fields(auto& v, Message<SpawnWorker> auto& m) { v.field("slot", m.slot); }

void fields(auto& v, Message<WorkerStarted> auto& m) {
  v.field("slot", m.slot);
  v.field("pid", m.pid);
}

void fields(auto& v, Message<WorkerExited> auto& m) {
  v.field("slot", m.slot);
  v.field("pid", m.pid);
  v.field("status", m.status);
  v.field("cause", m.cause);
  v.field("stacks", m.stacks);
  v.field("sections", m.sections);
}

void fields(auto& v, Message<WorkerBoot> auto& m) {
  v.field("slot", m.slot);
  v.field("workers", m.workers);
  v.field("opaque", m.opaque);
  v.field("request", m.request);
  v.bytes("identity", m.identity);
}

void fields(auto& v, Message<ReportForward> auto& m) {
  v.field("item", m.item);
  v.field("worker", m.worker);
  v.bytes("opaque", m.opaque);
  v.field("lost", m.lost);
}

void fields(auto& v, Message<Testcases> auto& m) {
  v.field("items", m.items);
  v.field("texts", m.texts);
}

void fields(auto& v, Message<EndRun> auto& m) {
  v.field("failed", m.failed);
  v.field("passed", m.passed);
  v.field("stop_reason", m.stop_reason);
  v.field("interrupted", m.interrupted);
  v.field("interrupted_at", m.interrupted_at);
  v.field("interrupt_code", m.interrupt_code);
}

void fields(auto& v, Message<ControllerFinished> auto& m) {
  v.field("exit_code", m.exit_code);
  v.field("stop_reason", m.stop_reason);
  v.bytes("output", m.output);
  v.field("duration_s", m.duration_s);
}

// ---------------------------------------------------------------- worker -> daemon

void fields(auto& v, Message<WorkerFinished> auto& m) {
  v.field("ran", m.ran);
  v.field("busy_s", m.busy_s);
  v.field("cpu_s", m.cpu_s);
  v.field("wall_s", m.wall_s);
  v.field("begun_s", m.begun_s);
  v.field("ended_s", m.ended_s);
  v.field("queued_s", m.queued_s);
  v.field("interrupted", m.interrupted);
  v.field("interrupted_at", m.interrupted_at);
  v.field("exit_code", m.exit_code);
  v.field("internal_error", m.internal_error);
}

}  // namespace pf::core
