"""What a pfast that was not installed has to be told."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def build_folder() -> Path:
    return Path(os.environ.get("PFAST_BUILD_DIR", ROOT / "build")).absolute()


def environment_of(pfast: Path) -> dict[str, str]:
    """Empty for an installed pfast: its forkserver has the adapter beside it."""
    built = any((folder / "lib" / "pfexec" / "pfast-forkserver").exists() for folder in pfast.absolute().parents[2:3])
    return {"PFAST_ADAPTER_DIR": str(ROOT / "lib" / "pfexec" / "python")} if built else {}
