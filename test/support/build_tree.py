"""Where the tree and its build are."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def build_folder() -> Path:
    return Path(os.environ.get("PFAST_BUILD_DIR", ROOT / "build")).absolute()
