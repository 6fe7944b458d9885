"""The Python package `pfast` as it is installed, for an interpreter that does not have it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from build_tree import ROOT

SOURCE = ROOT / "frontends" / "plugin" / "pfast"


def stage_package(folder: Path) -> Path:
    """Makes *folder*, with the package and nothing else in it; for PYTHONPATH. The files are links."""
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / "pfast"
    if os.environ.get("PFAST_TEST_EXECUTABLE"):
        spec = importlib.util.find_spec("pfast")
        assert spec is not None and spec.origin is not None, "pfast is not installed in this environment"
        package.symlink_to(Path(spec.origin).parent)
        return folder
    package.mkdir()
    build = Path(os.environ.get("PFAST_BUILD_DIR", ROOT / "build")) / "frontends" / "plugin"
    for file in [*SOURCE.iterdir(), *build.glob("*.so")]:
        if file.is_file():
            (package / file.name).symlink_to(file.absolute())
    return folder
