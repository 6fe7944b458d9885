// `pfast status`: what the daemon knows, as text or as one JSON object.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "ask_daemon.hpp"
#include "checkpoint_view.hpp"
#include "commands.hpp"
#include "context.hpp"
#include "exit_codes.hpp"
#include "say.hpp"
#include "v1_daemon.hpp"

namespace pf::cli {
namespace {

using Json = nlohmann::ordered_json;

Json worker_json(const core::WorkerStatus& worker) {
  return {{"name", worker.name}, {"pid", worker.pid}, {"nodeid", worker.nodeid}, {"for_s", worker.for_s}};
}

Json run_json(const core::RunStatus& run) {
  Json workers = Json::array();
  for (const core::WorkerStatus& worker : run.workers) workers.push_back(worker_json(worker));
  return {{"id", run.id}, {"done", run.done}, {"total", run.total}, {"workers", workers}};
}

Json generation_json(const core::GenerationStatus& generation) {
  return {{"id", generation.id},       {"state", generation.state},         {"pid", generation.pid},      {"items", generation.items},
          {"age_s", generation.age_s}, {"rss_bytes", generation.rss_bytes}, {"reason", generation.reason},
          {"checkpoints", checkpoints_json(generation)}};
}

Json status_json(const core::StatusReply& status) {
  Json out;
  out["daemon"] = {{"pid", status.pid},           {"address", status.address},     {"version", status.version},
                   {"uptime_s", status.uptime_s}, {"rss_bytes", status.rss_bytes}};
  out["generations"] = Json::array();
  for (const core::GenerationStatus& generation : status.generations) out["generations"].push_back(generation_json(generation));
  out["runs"] = Json::array();
  for (const core::RunStatus& run : status.runs) out["runs"].push_back(run_json(run));
  out["clients"] = status.clients;
  return out;
}

double mebibytes(std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

long long number(std::int64_t value) { return value; }

void print_generation(const core::GenerationStatus& generation) {
  std::printf("generation %lld · %s · pid %lld · %lld items · %.0f s old · %.1f MiB", number(generation.id), generation.state.c_str(),
              number(generation.pid), number(generation.items), generation.age_s, mebibytes(generation.rss_bytes));
  std::printf(generation.reason.empty() ? "%s\n" : " · %s\n", generation.reason.c_str());
  if (generation.checkpoints.empty()) return;
  std::printf("  %zu %s · %.1f MiB · the last one before %s\n", generation.checkpoints.size(), generation.checkpoints.size() == 1 ? "checkpoint" : "checkpoints",
              mebibytes(checkpoint_bytes(generation)), generation.checkpoints.back().before.c_str());
}

void print_run(const core::RunStatus& run) {
  std::printf("run %lld · %lld/%lld\n", number(run.id), number(run.done), number(run.total));
  for (const core::WorkerStatus& worker : run.workers) {
    std::printf("  %s · pid %lld", worker.name.c_str(), number(worker.pid));
    if (worker.nodeid.empty()) std::printf(" · idle\n");
    else std::printf(" · %s · %.1f s\n", worker.nodeid.c_str(), worker.for_s);
  }
}

void print_text(const core::StatusReply& status) {
  std::printf("daemon %lld · pfast %s · up %.0f s · %.1f MiB · %lld %s\n", number(status.pid), status.version.c_str(), status.uptime_s,
              mebibytes(status.rss_bytes), number(status.clients), status.clients == 1 ? "client" : "clients");
  std::printf("  root   %s\n  python %s\n  socket %s\n", status.root.c_str(), status.python.c_str(), status.address.c_str());
  for (const core::GenerationStatus& generation : status.generations) print_generation(generation);
  for (const core::RunStatus& run : status.runs) print_run(run);
}

}  // namespace

int status_command(const StatusOptions& options) {
  int exit_code = 0;
  auto context = find_context(options.where, Purpose::look, exit_code);
  if (!context) return exit_code;
  if (const auto code = show_v1_daemon(*context, options)) return *code;
  auto connection = connect_to_existing(context->address);
  if (!connection) return refuse_connection(k_exit_no_daemon, *context, connection.error(), "`pfast run` and `pfast serve` start a daemon");
  auto status = ask<core::StatusReply>(*connection, core::StatusRequest{}, k_patience);
  if (!status) return refuse(k_exit_no_daemon, status.error());
  if (options.json) std::printf("%s\n", status_json(*status).dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  else print_text(*status);
  return 0;
}

}  // namespace pf::cli
