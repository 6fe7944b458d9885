"""The command line of a run that is pfast's: what is meant for pfast, and what goes on to pytest as it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_FLAGS = {"--fast": "fast", "--fast-watch": "watch", "--fast-required": "required"}
_VALUES = {
    "--fast-address": "address",
    "--fast-workers": "workers",
    "--fast-ttl": "ttl",
    "--numprocesses": "processes",
    "--maxprocesses": "most_processes",
    "--dist": "dist",
}

#: What only pytest-xdist can do.
_ONLY_XDIST = ("--tx", "--looponfail", "--rsyncdir", "--rsyncignore", "--px", "--testrunuid")

DISTRIBUTIONS = ("load", "loadscope", "loadfile", "loadgroup", "worksteal")


class BadValue(Exception):
    """A value that the option's parser words best: pytest is to judge the whole command line."""


class WrongUse(Exception):
    """A value that no run can have."""


@dataclass
class Wish:
    """What the command line and addopts ask of pfast. Later arguments win."""

    fast: bool = False
    watch: bool = False
    required: bool = False
    address: str | None = None
    workers: int | None = None
    ttl: float | None = None
    dist: str | None = None
    #: Something that cannot be had from pfast, as it was written.
    only_xdist: str | None = None
    #: The arguments that are not pfast's, in their order.
    rest: list[str] = field(default_factory=list)
    most_processes: int | None = None


def read(arguments: Iterable[str], wish: Wish | None = None) -> Wish:
    """Raises BadValue and WrongUse."""
    reader = _Reader(list(arguments), wish or Wish())
    reader.read()
    return reader.wish


class _Reader:
    def __init__(self, arguments: Sequence[str], wish: Wish) -> None:
        self._arguments = arguments
        self._at = 0
        self.wish = wish
        wish.rest = []

    def read(self) -> None:
        while self._at < len(self._arguments):
            argument = self._arguments[self._at]
            self._at += 1
            if argument == "--":
                self.wish.rest += self._arguments[self._at - 1 :]
                return
            if argument.startswith("--"):
                self._long(argument)
            elif argument.startswith("-") and len(argument) > 1 and " " not in argument:
                self._short(argument)
            else:
                self.wish.rest.append(argument)

    def _next(self, option: str) -> str:
        if self._at >= len(self._arguments) or self._arguments[self._at].startswith("-"):
            raise BadValue(option)
        self._at += 1
        return self._arguments[self._at - 1]

    def _long(self, argument: str) -> None:
        name, equals, value = argument.partition("=")
        if argument in _FLAGS:
            setattr(self.wish, _FLAGS[argument], True)
        elif name in _VALUES:
            self._set(_VALUES[name], value if equals else self._next(name))
        else:
            if name in _ONLY_XDIST:
                self.wish.only_xdist = name
            self.wish.rest.append(argument)

    def _short(self, argument: str) -> None:
        """-n 2, -n2. Among other letters pytest's own parser, which reads before any plugin is there, does not take it."""
        if not argument.startswith("-n"):
            self.wish.rest.append(argument)
            return
        value = argument[2:]
        self._set("processes", value.removeprefix("=") if value else self._next("-n"))

    def _set(self, name: str, value: str) -> None:
        getattr(self, f"_set_{name}")(value)

    def _set_address(self, value: str) -> None:
        self.wish.address = value

    def _set_workers(self, value: str) -> None:
        self.wish.workers = _whole(value)
        if self.wish.workers < 1:
            raise WrongUse(f"worker count must be >= 1, got {self.wish.workers}")

    def _set_ttl(self, value: str) -> None:
        try:
            seconds = float(value)
        except ValueError:
            raise BadValue(value) from None
        if not 0 < seconds <= 1e9:
            raise WrongUse(f"the daemon's time to live must be a finite number of seconds > 0, got {value}")
        self.wish.ttl = seconds

    def _set_processes(self, value: str) -> None:
        if value in ("auto", "logical"):
            wanted = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS", "")
            self.wish.workers = int(wanted) if wanted.isdecimal() else -1
            return
        try:
            self.wish.workers = int(value)
        except ValueError:
            raise WrongUse(f"argument -n/--numprocesses: takes a number, auto or logical, not '{value}'") from None
        if not 0 <= self.wish.workers <= 4096:
            raise WrongUse(f"argument -n/--numprocesses: takes a number from 0 to 4096, not {value}")

    def _set_most_processes(self, value: str) -> None:
        self.wish.most_processes = _whole(value)

    def _set_dist(self, value: str) -> None:
        if value == "each":
            self.wish.only_xdist = "--dist=each"
        elif value in DISTRIBUTIONS:
            self.wish.dist = value
        elif value == "no":
            self.wish.dist = None
        else:
            raise WrongUse(f"argument --dist: invalid choice: '{value}' (choose from {', '.join(map(repr, ('each', *DISTRIBUTIONS, 'no')))})")


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise BadValue(value) from None
