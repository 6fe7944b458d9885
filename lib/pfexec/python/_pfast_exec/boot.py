"""Entry point of the warm process: runs pytest up to its pause."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import _pfexec

from . import environ, randomness, remains, repair
from .baseline import Baseline

#: Commands of pytest that print and end: an image is made without them, the run itself carries them out.
_COMMANDS = frozenset(
    "--version -V --help -h --fixtures --funcargs --fixtures-per-test --markers --cache-show --collect-only --co".split()
)


def run(boot: Mapping[str, Any]) -> tuple[int, str]:
    """Collects with pytest and pauses. Returns (pytest's exit code, message) only when pytest ended before the pause."""
    repair.dump_stacks_on_signal()
    os.umask(boot["umask"])
    os.chdir(boot["cwd"])
    program = os.fsdecode(boot["program"])
    argv = [os.fsdecode(arg) for arg in boot["argv"]]
    sys.argv[:] = [program, *argv]
    look_like_the_pytest_script(program, os.environb.pop(environ.SYS_PATH, None))

    recording = environ.start_recording()
    randomness.start_watching()
    repair.record_stat()
    remains.watch()
    try:
        import pytest
    except ImportError as error:
        return 74, f"pytest cannot be imported by {sys.executable}: {error}"
    if not _supported(pytest.__version__):
        return 74, f"pytest {pytest.__version__} of {sys.executable} is not supported: pfast works with 8.0 to 9.x"
    return _collect(boot, argv, recording)


def _collect(boot: Mapping[str, Any], argv: Sequence[str], recording: environ.Recording) -> tuple[int, str]:
    from . import fresh
    from .image import Image

    baseline = Baseline()
    arguments = [argument for argument in argv if argument not in _COMMANDS]
    image = Image({**boot, "argv": [os.fsencode(argument) for argument in arguments]}, baseline, recording)
    code = fresh.run_pytest(arguments, image)
    if image.hooks.controller is not None:
        # A forked child whose adopted session ended in an error that pytest.main has worded on its way out.
        image.hooks.controller.leave(code)
    sys.stdout.flush()
    sys.stderr.flush()
    return code, ""


def look_like_the_pytest_script(program: str, sys_path: bytes | None) -> None:
    """sys.path[0] and __main__ as the console script `pytest`, or `python -m pytest`, has them. *sys_path*: the whole of it, of a
    program that had changed its own."""
    if sys_path is not None:
        sys.path[:] = os.fsdecode(sys_path).split(os.pathsep)
    else:
        sys.path.insert(0, os.getcwd() if os.path.basename(program) == "__main__.py" else os.path.dirname(program))
    main = sys.modules["__main__"]
    main.__file__ = program
    main.__dict__.setdefault("__builtins__", __builtins__)


def _supported(version: str) -> bool:
    major = version.partition(".")[0]
    return major.isdigit() and int(major) in (8, 9)
