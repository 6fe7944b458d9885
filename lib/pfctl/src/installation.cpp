#include <pfctl/installation.hpp>

#include <sys/wait.h>

#include <pfctl/run_state.hpp>

#include "interpreter_question.hpp"
#include "text.hpp"

namespace pf::ctl {
namespace {

using core::ErrorCode;

constexpr int k_started_by_hand = 70;   // what the forkserver says to whoever starts it without its arguments

constexpr const char* k_facts =
    "import os, sys, sysconfig\n"
    "library = ''\n"
    "if sysconfig.get_config_var('Py_ENABLE_SHARED'):\n"
    "    name = sysconfig.get_config_var('INSTSONAME') or ''\n"
    "    folders = [sysconfig.get_config_var('LIBDIR') or '', sysconfig.get_config_var('LIBPL') or '']\n"
    "    multiarch = sysconfig.get_config_var('MULTIARCH') or ''\n"
    "    paths = [os.path.join(f, m, name) for f in folders for m in ('', multiarch)]\n"
    "    library = next((p for p in paths if os.path.isfile(p)), name)\n"
    "try:\n"
    "    import pytest\n"
    "    found = [pytest.__version__, '']\n"
    "except BaseException as error:\n"
    "    found = ['', f'{type(error).__name__}: {error}']\n"
    "parts = ['', 'pfast-interpreter', '.'.join(map(str, sys.version_info[:3])), library, *found, '']\n"
    "sys.stdout.flush()\n"
    "sys.stdout.buffer.write(b'\\0'.join(os.fsencode(part) for part in parts))\n"
    "sys.stdout.flush()\n";

}  // namespace

core::Result<InterpreterFacts> ask_for_facts(const std::string& python, const core::Environment& env, const std::string& cwd) {
  // -P: the suite's folder is not where pytest is looked for.
  auto answer = ask_program({python, "-P", "-c", k_facts}, env, cwd);
  if (!answer) return std::move(answer).error().with_context("ask '" + python + "'");
  if (answer->fields.size() != 4) {
    return text::error(ErrorCode::refused, "ask '" + python + "': " + describe_wait_status(answer->status) + "; " + answer->shown);
  }
  const auto& fields = answer->fields;
  return InterpreterFacts{fields[0], fields[1], fields[2], fields[3]};
}

core::Status try_forkserver(const std::string& program, const core::Environment& env) {
  auto answer = ask_program({program}, env, "/");
  if (!answer) return std::move(answer).error().with_context("start '" + program + "'");
  if (WIFEXITED(answer->status) && WEXITSTATUS(answer->status) == k_started_by_hand) return core::ok_status();
  return text::error(ErrorCode::refused, "start '" + program + "': " + describe_wait_status(answer->status) + "; " + answer->shown);
}

}  // namespace pf::ctl
