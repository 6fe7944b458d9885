#include "v1_arguments.hpp"

#include <array>
#include <filesystem>
#include <string_view>

namespace pf::cli {
namespace {

// Settings that act on a run in pfast's own daemon.
constexpr std::array<std::string_view, 8> k_run_settings{"workers", "dist",        "reporter", "boot-timeout",
                                                         "timeout", "retry-delay", "retries",  "flaky"};

bool is_nodeid(std::string_view argument) { return !argument.starts_with('-') && argument.find("::") != argument.npos; }

// Node ids begin at the root; arguments begin where one stands.
std::string from_root(const Context& context, const std::string& argument) {
  namespace fs = std::filesystem;
  const std::size_t path_end = argument.find("::");
  const fs::path path = (fs::path(context.cwd) / argument.substr(0, path_end)).lexically_normal();
  const fs::path relative = path.lexically_relative(context.root);
  const bool is_inside = !relative.empty() && *relative.begin() != "..";
  return (is_inside ? relative.string() : argument.substr(0, path_end)) + argument.substr(path_end);
}

std::vector<std::string> refused_options(const RunOptions& options) {
  std::vector<std::string> out;
  const auto refuse_if = [&](bool given, const char* name) {
    if (given) out.emplace_back(name);
  };
  refuse_if(options.workers.has_value(), "--workers");
  refuse_if(options.dist.has_value(), "--dist");
  refuse_if(options.reporter == "pytest", "--reporter pytest");
  refuse_if(options.ttl_s.has_value(), "--ttl");
  refuse_if(options.boot_timeout_s.has_value(), "--boot-timeout");
  refuse_if(options.timeout_s.has_value(), "--timeout");
  refuse_if(options.retries.has_value(), "--retries");
  refuse_if(options.retry_delay_s.has_value(), "--retry-delay");
  refuse_if(options.flaky.has_value(), "--flaky");
  refuse_if(!options.events.empty(), "--events");
  refuse_if(options.verbose_plan, "--verbose-plan");
  refuse_if(options.start_method.has_value(), "--start-method");
  refuse_if(options.max_worker_restart.has_value(), "--max-worker-restart");
  refuse_if(options.nice.has_value(), "--nice");
  refuse_if(!options.bench.save.empty(), "--bench-save");
  refuse_if(!options.bench.compare.empty(), "--bench-compare");
  return out;
}

}  // namespace

V1Arguments v1_arguments(const Context& context, const RunOptions& options) {
  V1Arguments out;
  out.refused = refused_options(options);
  for (const std::string& argument : options.pytest_args) {
    if (is_nodeid(argument)) out.nodeids.push_back(from_root(context, argument));
    else out.refused.push_back(argument);
  }
  if (options.bench.runs > 0 && (!out.nodeids.empty() || !options.dump.empty())) out.refused.emplace_back("--bench together with node ids or --dump");
  for (const std::string_view key : k_run_settings) {
    const auto found = context.settings.sources.find(std::string(key));
    // The predecessor's own variables mean its daemon's start, as ever.
    if (found == context.settings.sources.end() || found->second.starts_with("PYTEST_FAST_")) continue;
    out.ineffective.push_back(std::string(key) + " (" + found->second + ")");
  }
  return out;
}

}  // namespace pf::cli
