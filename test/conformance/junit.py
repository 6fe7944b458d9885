#!/usr/bin/env python3
"""JUnit files of published suites: pfast's are pytest's own but for times, host and time stamps.

    python3 test/conformance/junit.py --pfast build/frontends/cli/pfast --workers 1,2,4

Plain pytest writes two files first; a testcase that differs between them is unstable and left out of both sides. Each suite runs
in both families, the second time with all captured output. Order of testcases: pytest's.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from suites import HERE, Cache, Suite, known_suites

sys.path.insert(0, str(HERE.parent / "support"))

from build_tree import ROOT  # noqa: E402
from junit_file import compared  # noqa: E402

TIMEOUT_S = 3600
FAMILIES = {
    "xunit2": ["-o", "junit_family=xunit2"],
    "xunit1": ["-o", "junit_family=xunit1", "-o", "junit_logging=all"],
}


class Side:
    """One suite, plain and under pfast, with a daemon of its own."""

    def __init__(self, cache: Cache, suite: Suite, pfast: Path, scratch: Path) -> None:
        self._suite = suite
        self._pfast = str(pfast.absolute())
        self._pytest = str(cache.python.parent / "pytest")
        self._cwd = cache.source(suite)
        self._scratch = scratch
        (scratch / "r").mkdir(mode=0o700)
        self._env = {
            **cache.environment(suite),
            "TMPDIR": str(scratch),
            "VIRTUAL_ENV": str(cache.python.parent.parent),
            "PFAST_RUNTIME_DIR": str(scratch / "r"),
        }

    def plain(self, name: str, options: list[str]) -> Path:
        return self._run([self._pytest], name, options)

    def pfast(self, name: str, workers: int, options: list[str]) -> Path:
        return self._run([self._pfast, "run", "-n", str(workers)], name, options)

    def stop(self) -> None:
        subprocess.run([self._pfast, "stop"], cwd=self._cwd, env=self._env, capture_output=True, timeout=60)

    def _run(self, command: list[str], name: str, options: list[str]) -> Path:
        file = self._scratch / f"{name}.xml"
        file.unlink(missing_ok=True)
        arguments = [*command, f"--junitxml={file}", *options, *self._suite.args]
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            subprocess.run(
                arguments, cwd=self._cwd, env=self._env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=TIMEOUT_S
            )
            output.seek(0)
            if not file.is_file():
                raise SystemExit(f"{' '.join(arguments)}\nwrote no file:\n{output.read()[-3000:]}")
        return file


def compare(side: Side, suite: Suite, workers: list[int]) -> int:
    """How many files differ."""
    bad = 0
    for family, options in FAMILIES.items():
        oracle = [side.plain(f"plain{number}", options) for number in (1, 2)]
        for number in workers:
            for state in ("first", "second"):
                result = compared(oracle, side.pfast("pfast", number, options))
                bad += result.difference != ""
                verdict = "DIFFERS" if result.difference else "equal"
                print(
                    f"{suite.name:<16}{family:<8}-n {number} {state:<8}{result.testcases:>7} testcases {verdict}"
                    + (f", {len(result.unstable)} unstable under plain pytest left out" if result.unstable else ""),
                    flush=True,
                )
                if result.difference:
                    print("\n".join(f"    {line[:200]}" for line in result.difference.splitlines()[:40]))
    return bad


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pfast", type=Path, default=ROOT / "build" / "frontends" / "cli" / "pfast")
    parser.add_argument("--suites", default="networkx,attrs,click,more-itertools", help="names of suites.json")
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "suites", help="archives and environments")
    parser.add_argument("--python", default=sys.executable, help="interpreter that pfast was built for")
    arguments = parser.parse_args(argv)
    cache = Cache(arguments.cache, arguments.python)
    bad = 0
    for name in arguments.suites.split(","):
        suite = known_suites()[name]
        scratch = Path(tempfile.mkdtemp(prefix="pf-", dir="/tmp"))  # short: a socket's name has 108 bytes
        side = Side(cache, suite, arguments.pfast, scratch)
        try:
            bad += compare(side, suite, [int(number) for number in arguments.workers.split(",")])
        finally:
            side.stop()
            shutil.rmtree(scratch, ignore_errors=True)
    print(f"{bad} files differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
