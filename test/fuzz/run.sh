#!/bin/sh
# Runs the fuzz targets. Installs clang, builds into build-fuzz with ASan, UBSan and libFuzzer, seeds from the published
# frames. Last line: "N passed, N failed".
#
#   sh test/fuzz/run.sh [SECONDS] [TARGET...]     60 seconds each; pickle frame_stream message run_board
#
# A finding is kept in build-fuzz/findings; run it alone with build-fuzz/test/fuzz/fuzz_TARGET FILE. What was found to be
# interesting stays in build-fuzz/corpus for the next run.
set -u
ROOT=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
cd "$ROOT" || exit 1
. test/support/bootstrap.sh

seconds=60
case ${1:-} in '' | *[!0-9]*) ;; *) seconds=$1; shift ;; esac
targets=${*:-pickle frame_stream message run_board}
build=$ROOT/build-fuzz
venv=$build/venv

install_build_packages
install_packages clang
choose_python
make_venv "$venv" 'meson>=1.1' ninja

again=
[ -f "$build/build.ninja" ] && again=--reconfigure
programs=$(for target in $targets; do echo "test/fuzz/fuzz_$target"; done)
say "building $build"
# Undefined symbols are the sanitizers' run-time library's. shellcheck disable=SC2086
CC=clang CXX=clang++ PATH="$venv/bin:$PATH" "$venv/bin/meson" setup "$build" $again --wrap-mode=nofallback "-Dpython=$venv/bin/python" \
  -Dtests=false -Dfuzzers=true -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized &&
  "$venv/bin/ninja" -C "$build" $programs || die "the build failed"
"$venv/bin/python" test/fuzz/seeds.py "$build/seeds" || die "the seeds could not be written"

export ASAN_OPTIONS="allocator_may_return_null=0:detect_stack_use_after_return=1"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
passed=0
failed=0
mkdir -p "$build/findings"
for target in $targets; do
  say "$target, $seconds s"
  mkdir -p "$build/corpus/$target"
  # The decoders' memory is bounded, and no input takes long.
  if "$build/test/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=64 \
    -dict=test/fuzz/pickle.dict -print_final_stats=1 -artifact_prefix="$build/findings/$target-" \
    "$build/corpus/$target" "$build/seeds/$target" >"$build/$target.log" 2>&1; then
    grep '^stat::' "$build/$target.log"
    passed=$((passed + 1))
  else
    tail -n 60 "$build/$target.log"
    failed=$((failed + 1))
  fi
done
say "all targets"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
