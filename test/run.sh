#!/bin/sh
# Everything from nothing: installs what is missing, builds, runs all tests. Last line: "N passed, N failed".
#
#   sh test/run.sh [PART...]     parts: unit layering functional conformance soak install sanitizers-short (ASan with UBSan over a few files),
#                                all by default; when named sanitizers (ASan with UBSan, and TSan, over most files: long)
#
# PFAST_TEST_PYTHON names the interpreter to build for and to test with, python3 by default.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$ROOT" || exit 1
. test/support/bootstrap.sh

build=$ROOT/build
venv=$build/test-venv
logs=$build/test-logs
parts=${*:-unit layering functional conformance soak install sanitizers-short}
passed=0
failed=0
export PFAST_BUILD_DIR="$build"

# count NAME LOG CODE: adds up what a part's last line says, "3 passed, 1 failed" or pytest's.
count() {
  last=$(grep -E '[0-9]+ (passed|failed|errors?)' "$2" | tail -n 1)
  ok=$(printf '%s' "$last" | sed -nE 's/(^|.*[^0-9])([0-9]+) passed.*/\2/p;t;s/.*/0/p' | tail -n 1)
  bad=$(printf '%s' "$last" | sed -nE 's/(^|.*[^0-9])([0-9]+) failed.*/\2/p;t;s/.*/0/p' | tail -n 1)
  errors=$(printf '%s' "$last" | sed -nE 's/(^|.*[^0-9])([0-9]+) errors?.*/\2/p;t;s/.*/0/p' | tail -n 1)
  bad=$((${bad:-0} + ${errors:-0}))
  ok=${ok:-0}
  if [ "$bad" = 0 ] && { [ "$3" != 0 ] || [ "$ok" = 0 ]; }; then
    echo "$1: ended with code $3 after $ok passed tests: counted as one failure"
    bad=1
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  printf -- '-- %s: %s passed, %s failed\n' "$1" "$ok" "$bad"
}

# part NAME COMMAND...: runs it, shows and keeps its output, counts.
part() {
  name=$1
  shift
  say "$name"
  log=$logs/$(printf '%s' "$name" | tr ' /' '__').log
  { "$@"; echo $? >"$log.code"; } 2>&1 | tee "$log"
  count "$name" "$log" "$(cat "$log.code")"
}

# beside NAME COMMAND...: begins it, while others go on; one at a time. await_other shows its output and counts it.
beside() {
  other=$1
  shift
  other_log=$logs/$other.log
  { "$@"; echo $? >"$other_log.code"; } >"$other_log" 2>&1 &
}

await_other() {
  wait
  say "$other"
  cat "$other_log"
  count "$other" "$other_log" "$(cat "$other_log.code")"
}

wants() { case " $parts " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# configure_and_build FOLDER OPTION...
configure_and_build() {
  folder=$1
  shift
  say "building $folder"
  again=
  [ -f "$folder/build.ninja" ] && again=--reconfigure
  PATH="$venv/bin:$PATH" "$venv/bin/meson" setup "$folder" $again --wrap-mode=nofallback "-Dpython=$venv/bin/python" "$@" &&
    "$venv/bin/ninja" -C "$folder"
}

# configure_and_build_targets FOLDER "TARGET..." OPTION...
configure_and_build_targets() {
  folder=$1
  targets=$2
  shift 2
  say "building $folder: $targets"
  again=
  [ -f "$folder/build.ninja" ] && again=--reconfigure
  # shellcheck disable=SC2086
  PATH="$venv/bin:$PATH" "$venv/bin/meson" setup "$folder" $again --wrap-mode=nofallback "-Dpython=$venv/bin/python" "$@" &&
    "$venv/bin/ninja" -C "$folder" $targets
}

build_failed() {
  echo "the sanitizer build failed"
  failed=$((failed + 1))
}

unit_tests() {
  for program in $(find "$1/test/unit" -name '*_tests' -type f -perm -u+x 2>/dev/null | sort); do
    part "unit $(basename "$1") $(basename "$program")" "$program"
  done
  [ -n "${program:-}" ] || part "unit $(basename "$1")" sh -c 'echo "no unit test was built"; exit 1'
  unset program
}

# Most of a functional test is waiting for processes to begin and to end: three at a time keep two processors busy.
functional() { "$venv/bin/python" test/support/in_parallel.py -n "${PFAST_TEST_JOBS:-3}" "$@"; }

# with_pfast PFAST PYTHON ARGUMENT...: functional tests of an installed pfast.
with_pfast() {
  executable=$1
  interpreter=$2
  shift 2
  "$executable" --version &&
    PFAST_TEST_EXECUTABLE="$executable" "$interpreter" -m pytest -q -p no:cacheprovider "$@"
}

pip_install() {
  make_venv "$build/install-venv" pytest==9.2.0 &&
    "$build/install-venv/bin/python" -m pip install -q --force-reinstall --no-deps -Csetup-args=-Doptimization=0 -Csetup-args=-Ddebug=false "$ROOT" &&
    with_pfast "$build/install-venv/bin/pfast" "$build/install-venv/bin/python" test/functional/test_run_basic.py test/functional/test_wire_module.py \
      test/functional/test_plugin_fast.py
}

meson_install() {
  rm -rf "$build/installed"
  "$venv/bin/meson" install -C "$build" --no-rebuild --quiet --destdir "$build/installed" &&
    with_pfast "$(find "$build/installed" -path '*/bin/pfast' -type f)" "$venv/bin/python" test/functional/test_run_basic.py -k outcomes
}

# What the sanitizer builds run of the functional suite: every process kind, losses, faults of processes, clients, limits and frames.
sanitized_files="test/functional/test_run_basic.py test/functional/test_losses.py test/functional/test_concurrency.py
  test/functional/test_edits.py test/functional/test_restart.py test/functional/test_refresh.py test/functional/test_no_daemon.py
  test/functional/test_daemon_protocol.py test/functional/test_faults_processes.py test/functional/test_faults_clients.py
  test/functional/test_faults_address.py test/functional/test_faults_hostile.py test/functional/test_faults_conftest.py"
# What CI has the time for.
sanitized_few="test/functional/test_concurrency.py test/functional/test_refresh.py test/functional/test_faults_processes.py"

# sanitized NAME SANITIZERS TARGET...: a build of its own, of these targets only; nothing instrumented is fast, so it is not optimised.
sanitized() {
  sanitizers=$2
  folder=$ROOT/build-$1
  shift 2
  # Undefined symbols are the sanitizers' run-time library's. Names without line numbers are a fifth of the time less.
  configure_and_build_targets "$folder" "$*" "-Db_sanitize=$sanitizers" -Db_lundef=false -Doptimization=0 -Ddebug=false
}

address_sanitizer() {
  sanitized asan address,undefined frontends/cli/pfast lib/pfexec/pfast-forkserver $1 || return 1
  with_units=$1
  shift
  export LSAN_OPTIONS="suppressions=$ROOT/test/support/lsan.supp:print_suppressions=0"
  # A test that crashes must crash by its own signal.
  export ASAN_OPTIONS="handle_segv=0:handle_abort=0:handle_sigill=0:handle_sigbus=0:handle_sigfpe=0"
  export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
  [ -z "$with_units" ] || unit_tests "$ROOT/build-asan"
  export PFAST_BUILD_DIR=$ROOT/build-asan PFAST_TEST_GRACE_S=10
  export PFAST_TEST_SANITIZED=1
  part "functional with address and undefined behaviour sanitizers" functional "$@"
  unset PFAST_TEST_SANITIZED LSAN_OPTIONS ASAN_OPTIONS UBSAN_OPTIONS PFAST_TEST_GRACE_S
  export PFAST_BUILD_DIR=$build
}

# Daemon and client; the forkserver is Python's one thread, and comes from the ordinary build.
thread_sanitizer() {
  sanitized tsan thread frontends/cli/pfast test/unit/pfctl_tests || return 1
  export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1"
  unit_tests "$ROOT/build-tsan"
  export PFAST_BUILD_DIR=$ROOT/build-tsan PFAST_TEST_FORKSERVER=$build/lib/pfexec/pfast-forkserver PFAST_TEST_GRACE_S=10
  export PFAST_TEST_SANITIZED=1
  part "functional with thread sanitizer" functional "$@"
  unset PFAST_TEST_SANITIZED TSAN_OPTIONS PFAST_TEST_FORKSERVER PFAST_TEST_GRACE_S
  export PFAST_BUILD_DIR=$build
}

install_build_packages
install_packages cmake libpugixml-dev   # the examples that link libpfcore
choose_python
mkdir -p "$logs"
make_venv "$venv" 'meson>=1.1' ninja pytest==9.2.0
# Half of the time that the compiler would take for an optimised build with debugging information.
configure_and_build "$build" -Doptimization=1 -Ddebug=false || { echo "the build failed"; echo "0 passed, 1 failed"; exit 1; }

wants unit && unit_tests "$build"
wants layering && part layering "$venv/bin/python" test/layering.py
wants functional && part functional functional test/functional
# Most of it is waiting for what was killed; the compiler does the work in between.
wants soak && beside soak "$venv/bin/python" test/soak/soak.py --pfast "$build/frontends/cli/pfast" --runs 500
wants conformance && part conformance "$venv/bin/python" test/conformance/run.py --pfast "$build/frontends/cli/pfast" \
  --suites toolz,click --workers 1,2 --cache "$build/suites" --reuse-oracle
wants install && part "pip install" pip_install
wants install && part "meson install" meson_install
# shellcheck disable=SC2086
wants sanitizers-short && { address_sanitizer "" $sanitized_few || build_failed; }
wants soak && await_other
# shellcheck disable=SC2086
wants sanitizers && { address_sanitizer "test/unit/pfcore_tests test/unit/pfctl_tests" $sanitized_files || build_failed; }
wants sanitizers && { thread_sanitizer $sanitized_files || build_failed; }

say "all parts"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
