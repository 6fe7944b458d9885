"""Virtual environments that tests need beside their own, which has pytest alone: made once, and kept in the build folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from build_tree import ROOT

PACKAGES = (
    "pytest==9.0.2 pytest-cov==7.1.0 pytest-randomly==5.1.0 pytest-asyncio==1.5.0 hypothesis==6.170.15 pytest-mock==3.17.0 "
    "pytest-timeout==2.4.0 pytest-rerunfailures==16.7 pytest-xdist==3.8.0"
).split()


#: The predecessor, as its wheel has it.
PREDECESSOR = ("pytest==9.2.0", "pytest-fast==0.9.3")


def plugin_environment() -> Path:
    """The folder of an environment with the plugins that suites use most."""
    return _environment("plugins", PACKAGES)


def predecessor_environment() -> Path:
    """The folder of an environment with pytest-fast."""
    return _environment("predecessor", PREDECESSOR)


def _environment(name: str, packages: Sequence[str]) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256("\n".join([*packages, sys.base_prefix, version]).encode()).hexdigest()[:12]
    folder = Path(os.environ.get("PFAST_TEST_CACHE", ROOT / "build" / "environments")) / f"{name}-{key}"
    complete = folder / ".complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *packages], check=True)
        complete.touch()
    return folder
