"""Virtual environments with what the tests' own, which has pytest alone, lacks: made once, and kept in the build folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from build_tree import ROOT

#: The plugins that suites use most.
PACKAGES = (
    "pytest==9.0.2 pytest-cov==7.1.0 pytest-randomly==5.1.0 pytest-asyncio==1.5.0 hypothesis==6.170.15 pytest-mock==3.17.0 "
    "pytest-timeout==2.4.0 pytest-rerunfailures==16.7 pytest-xdist==3.8.0"
).split()


#: The predecessor, as its wheel has it.
PREDECESSOR = ("pytest==9.2.0", "pytest-fast==0.9.3")

#: Plugins that shuffle.
RANDOM_ORDER = ("pytest==9.0.2", "pytest-randomly==5.1.0", "pytest-random-order==1.2.0")

#: For suites of Django projects.
DJANGO = "pytest==9.0.2 django==5.2.8 pytest-django==4.11.1".split()


def plugin_environment() -> Path:
    """The folder of an environment with the plugins that suites use most."""
    return environment_with("plugins", PACKAGES)


def predecessor_environment() -> Path:
    """The folder of an environment with pytest-fast."""
    return environment_with("predecessor", PREDECESSOR)


def random_order_environment() -> Path:
    """The folder of an environment with pytest-randomly and pytest-random-order."""
    return environment_with("random-order", RANDOM_ORDER)


def django_environment() -> Path:
    """The folder of an environment with pytest-django."""
    return environment_with("django", DJANGO)


def environment_with(name: str, packages: Sequence[str]) -> Path:
    """The folder of an environment with *packages*. Test files run beside each other: one makes it, the others wait."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256("\n".join([*packages, sys.base_prefix, version]).encode()).hexdigest()[:12]
    folder = Path(os.environ.get("PFAST_TEST_CACHE", ROOT / "build" / "environments")) / f"{name}-{key}"
    complete = folder / ".complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *packages], check=True)
            complete.touch()
    return folder
