"""Fifty random edits beside a watcher; test/soak/watch_edits.py makes as many as it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EDITS = Path(__file__).resolve().parent.parent / "soak" / "watch_edits.py"


def test_fifty_random_edits() -> None:
    count = os.environ.get("PFAST_TEST_EDITS", "50")
    done = subprocess.run([sys.executable, str(EDITS), "--edits", count, "--seed", "7"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.rstrip().endswith(f"{count} passed, 0 failed"), done.stdout + done.stderr
