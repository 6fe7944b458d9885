"""The systemd unit in examples/ says what systemd understands, and starts what is there."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import ROOT, Case

UNIT = ROOT / "examples" / "systemd" / "pfast@.service"


def test_systemd_takes_it() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run([analyze, "--user", "verify", str(UNIT).replace("@", "@tmp")], capture_output=True, text=True)
    assert "Unknown" not in done.stderr and "Failed to parse" not in done.stderr, done.stderr


def test_its_commands_are_pfasts(case: Case) -> None:
    lines = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#"))
    for name in ("ExecStart", "ExecStop"):
        env, pfast, *arguments = shlex.split(lines[name])
        assert (env, pfast) == ("/usr/bin/env", "pfast")
        # The option parser takes every word of it: an unknown one would be a usage error before --help is looked at.
        done = case.pfast(*arguments, "--no-such-option")
        assert done.code == 79 and "no-such-option" in done.err, done
    assert Path(UNIT).name == "pfast@.service"
