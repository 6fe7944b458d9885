"""What a run is asked to measure beyond its tests' phases (RunOptions.measure): fixtures one by one, and profiles."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pytest

import _pfexec

if TYPE_CHECKING:
    from cProfile import Profile

#: Functions of a test that are told, and what they take at least.
_MOST_FUNCTIONS = 8
_LEAST_S = 0.0005
_MOST_NAME = 100


def install(config: Any, measure: str) -> None:
    """In a process that is going to run items. Phases and queueing are measured by pfexec itself."""
    if not measure:
        return
    _pfexec.measure()
    if measure in ("fixtures", "profile"):
        config.pluginmanager.register(FixtureClock(), "pfast-fixture-clock")
    if measure == "profile":
        config.pluginmanager.register(Profiler(), "pfast-profiler")


class FixtureClock:
    """Each fixture's own set-up: without that of the fixtures that it asks for."""

    def __init__(self) -> None:
        self._nested: list[float] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
        __tracebackhide__ = True
        self._nested.append(0.0)
        begun = time.perf_counter()
        try:
            return (yield)
        finally:
            took = time.perf_counter() - begun
            own = took - self._nested.pop()
            if self._nested:
                self._nested[-1] += took
            _pfexec.add_fixture(
                str(fixturedef.argname), str(fixturedef.baseid or ""), str(fixturedef.scope), _param(request), max(own, 0.0)
            )


def _param(request: Any) -> str:
    """Which of its parameters: by number, as a parameter's text may be anything."""
    return str(request.param_index) if hasattr(request, "param") else ""


class Profiler:
    """Set-up and call of each test under cProfile. The innermost wrappers: what others wrap around a test is not its own."""

    def __init__(self) -> None:
        from cProfile import Profile  # not in the warm image: a suite may look at what is imported

        self._new = Profile
        self._profile = Profile()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, Any]:
        self._profile = self._new()
        return (yield from self._profiled())

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        return (yield from self._profiled())

    def _profiled(self) -> Generator[None, Any, Any]:
        __tracebackhide__ = True
        try:
            self._profile.enable()
        except ValueError:  # Python 3.12 and later: one tool at a time
            _pfexec.add_profile(["no profile: another profiler is at work"])
            return (yield)
        try:
            return (yield)
        finally:
            self._profile.disable()
            _pfexec.add_profile(hottest(self._profile))


def hottest(profile: Profile) -> list[str]:
    """Lines for people, by the time inside of the function itself: the callers above it would all say the same."""
    rows = sorted(((entry.inlinetime, entry.callcount, _name(entry.code)) for entry in profile.getstats()), reverse=True)
    shown = [row for row in rows[:_MOST_FUNCTIONS] if row[0] >= _LEAST_S]
    return [f"{seconds:7.3f} s in {calls} {'call' if calls == 1 else 'calls'} of {name}" for seconds, calls, name in shown]


def _name(code: Any) -> str:
    if isinstance(code, str):  # a built-in
        text = code
    else:
        name = getattr(code, "co_qualname", code.co_name)
        text = f"{name} ({PurePath(code.co_filename).name}:{code.co_firstlineno})"
    return text if len(text) <= _MOST_NAME else text[: _MOST_NAME - 3] + "..."
