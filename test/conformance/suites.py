"""Published suites: their source archives and environments, in a cache folder.

CACHE/venv            pytest, nothing else; the interpreter that all suites run with
CACHE/builder         build back ends, which `pip download` of a source archive asks for its metadata
CACHE/<name>/src      the archive's top folder
CACHE/<name>/deps     what the suite needs, without pytest itself
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTEST = "pytest==9.2.0"
BACK_ENDS = (
    "setuptools wheel cython setuptools_scm hatchling hatch-vcs hatch-fancy-pypi-readme flit_core poetry-core pdm-backend"
).split()
#: The suite's environment has these already, in the version under test.
OWNED_BY_VENV = ("pytest", "_pytest", "pluggy", "iniconfig", "py.py")
#: Would change what either side does, or how fast.
NOT_INHERITED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Suite:
    name: str
    sdist: str
    pip: tuple[str, ...]
    args: tuple[str, ...]


def known_suites() -> dict[str, Suite]:
    rows = json.loads((HERE / "suites.json").read_text())
    return {r["name"]: Suite(r["name"], r["sdist"], tuple(r["pip"]), tuple(r["args"])) for r in rows}


class Cache:
    """Makes what is missing, keeps what is there. A half-made folder never gets its final name."""

    def __init__(self, root: Path, python: str = sys.executable) -> None:
        self.root = root.resolve()
        self._base_python = python
        self.root.mkdir(parents=True, exist_ok=True)

    @property
    def python(self) -> Path:
        return self._venv("venv", [PYTEST])

    def source(self, suite: Suite) -> Path:
        return self._made(self.root / suite.name / "src", lambda folder: self._unpack(suite, folder))

    def dependencies(self, suite: Suite) -> Path:
        return self._made(self.root / suite.name / "deps", lambda folder: self._install(suite, folder))

    def environment(self, suite: Suite) -> dict[str, str]:
        source = self.source(suite)
        inner = [source / name for name in ("src", "lib") if (source / name).is_dir()]
        path = [self.dependencies(suite), *inner, source]
        env = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
        return {**env, "PYTHONPATH": os.pathsep.join(map(str, path))}

    def _venv(self, name: str, packages: list[str]) -> Path:
        folder = self.root / name
        marker = folder / ".made-for"  # written last
        wanted = "\n".join(packages)
        python = folder / "bin" / "python"
        if not (marker.is_file() and marker.read_text() == wanted and python.exists()):
            shutil.rmtree(folder, ignore_errors=True)
            _run([self._base_python, "-m", "venv", str(folder)])
            _run([str(python), "-m", "pip", "install", "-q", "--upgrade", *packages])
            marker.write_text(wanted)
        return python

    def _made(self, folder: Path, make: Callable[[Path], None]) -> Path:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                half = Path(scratch) / "made"
                half.mkdir()
                make(half)
                half.rename(folder)
        return folder

    def _unpack(self, suite: Suite, folder: Path) -> None:
        builder = self._venv("builder", BACK_ENDS)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            pip = [str(builder), "-m", "pip", "download", "-q", "--no-binary", ":all:", "--no-deps", "--no-build-isolation"]
            _run([*pip, "-d", scratch, suite.sdist], env={**os.environ, "PATH": f"{builder.parent}:{os.environ['PATH']}"})
            (archive,) = Path(scratch).glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(scratch)
            (top,) = (path for path in Path(scratch).iterdir() if path.is_dir())
            for path in top.iterdir():
                path.rename(folder / path.name)

    def _install(self, suite: Suite, folder: Path) -> None:
        if not suite.pip:
            return
        _run([str(self.python), "-m", "pip", "install", "-q", "--only-binary", ":all:", "--target", str(folder), *suite.pip])
        for name in OWNED_BY_VENV:
            for path in (folder / name, *folder.glob(f"{name}-*.dist-info")):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _run(command: list[str], env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nfailed with {done.returncode}:\n{done.stdout[-4000:]}")
