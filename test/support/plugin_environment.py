"""A virtual environment with the plugins that suites use most, made once: the tests' own has pytest alone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from build_tree import ROOT

PACKAGES = (
    "pytest==9.0.2 pytest-cov==7.1.0 pytest-randomly==5.1.0 pytest-asyncio==1.5.0 hypothesis==6.170.15 pytest-mock==3.17.0 "
    "pytest-timeout==2.4.0 pytest-rerunfailures==16.7 pytest-xdist==3.8.0"
).split()


def plugin_environment() -> Path:
    """The folder of the environment."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256("\n".join([*PACKAGES, sys.base_prefix, version]).encode()).hexdigest()[:12]
    folder = Path(os.environ.get("PFAST_TEST_CACHE", ROOT / "build" / "environments")) / f"plugins-{key}"
    complete = folder / ".complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *PACKAGES], check=True)
        complete.touch()
    return folder
