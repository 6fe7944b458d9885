"""What the editor starts for a run: the tests' node ids are the lines of the file that RUN_TEST_IDS_PIPE names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.append(os.fspath(Path(__file__).parent))
    sys.path.insert(0, os.getcwd())
    ids = Path(os.environ["RUN_TEST_IDS_PIPE"])
    pytest.main(["-p", "editor_pytest", *sys.argv[1:], *ids.read_text(encoding="utf-8").splitlines()])
    ids.unlink()
    print("the editor's script has ended")
