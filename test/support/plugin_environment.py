"""Virtual environments with what the tests' own, which has pytest alone, lacks: made once, and kept in the build folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from build_tree import ROOT, build_folder

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


#: Of pytest --fast: with xdist, whose text is the measure of ours, and the plugins that write a run's results down.
REPORTING = (
    "pytest==9.0.2 pytest-xdist==3.8.0 pytest-cov==7.1.0 pytest-html==4.2.0 pytest-sugar==1.1.1 allure-pytest==2.16.0"
).split()


def fast_environment(pytest_version: str = "") -> Path:
    """The folder of an environment with pytest and pfast, as `pip install` would have put it there; or that in which it did."""
    if os.environ.get("PFAST_TEST_EXECUTABLE") and not pytest_version:
        return Path(sys.prefix)
    return with_pfast(environment_with("fast", [f"pytest=={pytest_version or '9.2.0'}"]))


def reporting_environment() -> Path:
    """As fast_environment, with pytest-xdist and plugins that report."""
    return with_pfast(environment_with("fast-reporting", REPORTING))


def clash_environment() -> Path:
    """As fast_environment, with the predecessor beside it."""
    return with_pfast(environment_with("fast-clash", PREDECESSOR))


def with_pfast(folder: Path) -> Path:
    """*folder*, with the build tree's package and its entry point in it, by links: what is built again is seen at once."""
    if os.environ.get("PFAST_TEST_EXECUTABLE"):
        raise RuntimeError("an installed pfast is tested in the environment that it was installed into")
    (packages,) = folder.glob("lib/python3*/site-packages")
    package, metadata = packages / "pfast", packages / "pfast-0.dist-info"
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = {path.name: path for path in (ROOT / "frontends" / "plugin" / "pfast").iterdir() if path.name != "__pycache__"}
        wanted |= {path.name: path for path in (build_folder() / "frontends" / "plugin").glob("*.so")}
        package.mkdir(exist_ok=True)
        for path in package.iterdir():
            if path.is_symlink() and path.resolve() != wanted.get(path.name):
                path.unlink()
        for name, path in wanted.items():
            if not (package / name).exists():
                (package / name).symlink_to(path)
        metadata.mkdir(exist_ok=True)
        _write_if_other(metadata / "METADATA", "Metadata-Version: 2.1\nName: pfast\nVersion: 0\n")
        _write_if_other(metadata / "entry_points.txt", "[pytest11]\n" + _entry_point() + "\n")
    return folder


def _write_if_other(path: Path, text: str) -> None:
    """In one step: a pytest of another test may be reading it."""
    if path.exists() and path.read_text() == text:
        return
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(path)


def _entry_point() -> str:
    """As pyproject.toml has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    points = project["project"]["entry-points"]["pytest11"]
    return "\n".join(f"{name} = {target}" for name, target in points.items())


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
