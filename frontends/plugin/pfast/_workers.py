"""How many workers a run has. The program decides, which knows quotas, affinity and the files of settings."""

from __future__ import annotations

import os

from pfast._native import ask_pfast


def default_workers() -> int:
    """The number of workers that a run has when nobody says otherwise: the processors that this process may use, at least 1."""
    return _ask("--workers", "auto")


def resolve_workers(cli_value: int | None = None) -> int:
    """The number of workers that a run here would have, at least 1: *cli_value*, else the settings, else :func:`default_workers`.

    Settings are ``PYTEST_FAST_WORKERS``, ``PFAST_WORKERS`` and pfast.toml or ``[tool.pfast]`` of the project that the current folder
    belongs to. Raises ValueError for a number below 1, and for settings that cannot be read.
    """
    if cli_value is not None:
        return _checked(cli_value, "worker count")
    _check_variable()
    return _ask()


def _checked(value: int, name: str) -> int:
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {value}")
    return value


def _check_variable() -> None:
    """The predecessor's error for its variable; what is no number counts as not set there."""
    try:
        value = int(os.environ.get("PYTEST_FAST_WORKERS", "1"))
    except ValueError:
        return
    _checked(value, "PYTEST_FAST_WORKERS")


def _ask(*options: str) -> int:
    code, out, err = ask_pfast(["run", "--print-inferred-workers", *options])
    if code != 0:
        raise ValueError(err.strip() or f"pfast run --print-inferred-workers ended with {code}")
    return max(1, int(out))
