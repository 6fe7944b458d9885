"""Writes the golden files of test_text_report.cpp with a real pytest.

    python make.py PYTHON      an interpreter that has pytest 9

One case a folder: events (frames), style (the fields of TextStyle that are not the default), expected (what pytest
printed after its progress), plugin_output (what a plugin's terminal summary printed of it, if anything).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = "\x02summary begins\x03"

#: name: suite, arguments, style; "@" separates the suite from the folder below it that pytest is started in.
CASES = {
    "default": ("mixed", "", {}),
    "color": ("mixed", "-ra --color=yes", {"color": "1", "report_chars": "a"}),
    "all_letters": ("mixed", "-rA", {"report_chars": "A"}),
    "old_letters": ("mixed", "-rSF", {"report_chars": "SF"}),
    "letters_in_any_order": ("mixed", "-rEsfX", {"report_chars": "EsfX"}),
    "letters_off": ("mixed", "-rN", {"report_chars": "N"}),
    "unfolded": ("mixed", "-rs --no-fold-skipped", {"report_chars": "s", "fold_skips": "0"}),
    "quiet": ("mixed", "-q", {"verbosity": "-1"}),
    "quiet_color": ("mixed", "-q --color=yes", {"verbosity": "-1", "color": "1"}),
    "silent": ("mixed", "-qq", {"verbosity": "-2"}),
    "tb_no": ("mixed", "--tb=no", {"tb": "no"}),
    "tb_line": ("mixed", "--tb=line", {"tb": "line"}),
    "tb_short": ("mixed", "--tb=short", {"tb": "short"}),
    "no_capture_shown": ("mixed", "--show-capture=no", {"show_capture": "0"}),
    "no_summary": ("mixed", "--no-summary", {"no_summary": "1"}),
    "xfail_tb": ("mixed", "--xfail-tb", {"xfail_tb": "1"}),
    "first_failure": ("mixed", "-x", {}),
    "two_failures_color": ("mixed", "--maxfail=2 --color=yes", {"color": "1"}),
    "narrow": ("mixed", "", {"columns": "40"}),
    "broad": ("mixed", "", {"columns": "151"}),
    "durations": ("plain", "--durations=0", {"durations": "0"}),
    "slowest": ("mixed", "--durations=3", {"durations": "3"}),
    "durations_min": ("plain", "--durations=0 --durations-min=0.2", {"durations": "0", "durations_min_s": "0.2", "durations_min_given": "1"}),
    "durations_verbose": ("plain", "--durations=0 -vv", {"durations": "0", "verbosity": "2"}),
    "green": ("plain", "", {}),
    "green_color": ("plain", "--color=yes", {"color": "1"}),
    "minutes": ("plain", "", {"seconds": "63.004"}),
    "days": ("plain", "--color=yes", {"seconds": "200000.5", "color": "1"}),
    "skips_only": ("plain", "-k three --color=yes", {"color": "1"}),
    "nothing_selected": ("plain", "-k nothing --color=yes", {"color": "1"}),
    "nothing_there": ("plain", "--ignore=test_plain.py", {}),
    "warnings": ("warned", "", {}),
    "warnings_color": ("warned", "--color=yes", {"color": "1"}),
    "warnings_off": ("warned", "--disable-warnings", {"show_warnings": "0"}),
    "one_warning": ("warned", "-k alone -W ignore:once -W ignore:while -W ignore::pytest.PytestUnknownMarkWarning", {}),
    "collection_errors": ("broken", "", {}),
    "collection_errors_color": ("broken", "--color=yes", {"color": "1"}),
    "collection_errors_continued": ("broken", "--continue-on-collection-errors", {}),
    "wide": ("wide", "", {}),
    "wide_color": ("wide", "--color=yes", {"color": "1"}),
    "wide_narrow": ("wide", "--tb=no", {"columns": "53", "tb": "no"}),
    "wide_in_ci": ("wide", "--tb=no", {"full_reasons": "1", "tb": "no"}),
    "wide_in_ci_forced": ("wide", "--tb=no --force-short-summary", {"full_reasons": "1", "short_reasons": "1", "tb": "no"}),
    "wide_verbose": ("wide", "--tb=no -vv", {"verbosity": "2", "tb": "no"}),
    "custom": ("custom", "--durations=2", {"durations": "2"}),
    "custom_color": ("custom", "--color=yes -k 'special or other'", {"color": "1"}),
    "below_the_root": ("nested@sub", "-ra .. --color=yes", {"report_chars": "a", "color": "1"}),
    "above_the_root": ("@nested", "-ra", {"report_chars": "a"}),
}


def run(python: str, scratch: Path, name: str) -> None:
    suite, arguments, style = CASES[name]
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    base, _, below = suite.partition("@")
    rootdir = cwd = scratch / base
    if base == "":
        rootdir, cwd = scratch / below, scratch
        arguments += f" {below}"
    elif below:
        cwd = rootdir / below
    env = {key: value for key, value in os.environ.items() if key not in ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "FORCE_COLOR", "NO_COLOR")}
    env |= {
        "COLUMNS": style.get("columns", "80"),
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "RECORD_TO": str(folder / "events"),
        "RECORD_REPORTS": str(HERE.parents[2] / "lib/pfexec/python/_pfast_exec/reports.py"),
        "RECORD_SECONDS": style.get("seconds", "0.12"),
    }
    if "full_reasons" in style:
        env["CI"] = "1"
    command = f"{python} -m pytest -p recorder -p no:cacheprovider -p no:fast {arguments}"
    done = subprocess.run(command, shell=True, cwd=cwd, env=env, capture_output=True, text=True)
    if MARK not in done.stdout:
        raise SystemExit(f"{name}: {done.stdout}{done.stderr}")
    expected = done.stdout.split(MARK)[1].lstrip("\n")
    style = {key: value for key, value in style.items() if key != "seconds"}
    if cwd != rootdir:
        style |= {"rootdir": "/root/" + str(rootdir.relative_to(scratch)), "cwd": ("/root/" + str(cwd.relative_to(scratch))).removesuffix("/.")}
    (folder / "expected").write_text(expected, encoding="utf-8", errors="surrogatepass")
    if spoken := re.search(r"^=+ a plugin speaks =+\n.*\n", expected, re.MULTILINE):
        (folder / "plugin_output").write_text(spoken[0])
    (folder / "style").write_text("".join(f"{key}={value}\n" for key, value in style.items()))


def main() -> None:
    python = sys.argv[1]
    # Always the same path: pytest prints it here and there.
    scratch = Path("/tmp/pfast-text-report")
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(HERE / "suites", scratch)
    for name in sys.argv[2:] or CASES:
        run(python, scratch, name)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
