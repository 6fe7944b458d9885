"""Editors run pytest with a plugin, variables and a pipe of their own: with --fast they hear what they hear without it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from editor import ADAPTERS, Editor, Told
from harness import Case, Finished, Running
from plugin_environment import environment_with, with_pfast

#: What a PyCharm or a TeamCity reads on stdout.
TEAMCITY = ("pytest==9.0.2", "teamcity-messages==1.33", "pytest-xdist==3.8.0")

SUITE = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
        import pytest

        @pytest.fixture
        def broken():
            raise ValueError("broken fixture")
    """,
    "test_top.py": """
        import os
        import pytest

        @pytest.mark.parametrize("n", [1, 2, 3])
        def test_number(n):
            print("number", n)
            assert n != 2

        def test_error(broken):
            pass

        def test_raises():
            raise KeyError("a key")

        @pytest.mark.skip(reason="not today")
        def test_skip():
            pass

        def test_skipped_inside():
            pytest.skip("not now")

        @pytest.mark.xfail
        def test_xfail():
            assert 0

        @pytest.mark.xfail
        def test_xpass():
            pass

        def test_variables():
            assert os.environ["TEST_RUN_PIPE"] and "editor" in os.environ["OF_THE_EDITOR"]
    """,
    "sub/folder/test_below.py": """
        import unittest

        class TestOuter:
            class TestInner:
                def test_inner(self):
                    assert [1, 2] == [1, 3]

            def test_outer(self):
                pass

        class TestCase(unittest.TestCase):
            def test_case(self):
                self.assertEqual(1, 1)

            def test_failing_case(self):
                self.assertEqual(1, 2)
    """,
}
VARIABLES = {"OF_THE_EDITOR": "editor"}
FAST = {"PYTEST_FAST": "1"}


class Both:
    """An editor without pfast and with it, in one environment."""

    def __init__(self, case: Case, adapter: str) -> None:
        self.case = case
        case.use_environment(with_pfast(environment_with("editors", TEAMCITY)))
        case.env |= {"PFAST_EXECUTABLE": str(case.pfast_path), "PFAST_SESSION_PLUGINS": "editor_pytest", **VARIABLES}
        self.python = Path(case.env["VIRTUAL_ENV"]) / "bin" / "python"
        self.editor = Editor(case, ADAPTERS[adapter], self.python)

    def addopts(self, text: str) -> None:
        self.case.write({"pytest.ini": f"[pytest]\naddopts = {text}\n"})

    def assert_served(self) -> None:
        """By a daemon, and not by plain pytest after a warning."""
        assert self.case.status() is not None


@pytest.fixture(params=sorted(ADAPTERS))
def both(case: Case, request: pytest.FixtureRequest) -> Iterator[Both]:
    case.write(SUITE)
    yield Both(case, request.param)


def masked(text: str | None) -> str | None:
    return text and re.sub(r"\[gw\d+\]", "[gw]", re.sub(r"0x[0-9a-f]+", "0x…", text))


def events(told: Told) -> dict[str, tuple[str, str | None]]:
    return {test: (outcome, masked(message)) for test, (outcome, message) in told.outcomes().items()}


# -- VS Code ---------------------------------------------------------------------------------------------------------------


def test_discovery(both: Both) -> None:
    plain = both.editor.discover()
    both.addopts("--fast")
    for _ in range(2):  # the second one finds everything warm
        fast = both.editor.discover()
        assert fast.messages == plain.messages and len(fast.messages) == 1
        assert fast.done.code == plain.done.code == 0 and "warning" not in fast.done.err, fast.done
    assert "test_inner" in str(plain.messages)
    both.assert_served()


def test_discovery_of_what_cannot_be_collected(both: Both) -> None:
    both.case.write({"test_wrong.py": "import nonsense\n", "test_syntax.py": "def test_x(:\n    pass\n"})
    plain = both.editor.discover()
    both.addopts("--fast")
    fast = both.editor.discover()
    assert fast.messages == plain.messages and fast.done.code == plain.done.code == 2
    assert plain.messages[-1]["status"] == "error" and "No module named 'nonsense'" in str(plain.messages[-1]["error"])
    both.assert_served()


def test_discovery_of_an_edit(both: Both) -> None:
    both.addopts("--fast")
    both.editor.discover()
    both.case.write({"test_top.py": "def test_new():\n    pass\n", "test_more.py": "def test_more():\n    pass\n"})
    fast = both.editor.discover()
    both.addopts("")
    assert fast.messages == both.editor.discover().messages
    assert "test_more" in str(fast.messages) and "test_number" not in str(fast.messages)


def ids_of(both: Both) -> list[str]:
    """As an editor has them from the discovery: absolute."""
    found: list[str] = []

    def walk(node: dict[str, object]) -> None:
        if node["type_"] == "test":
            found.append(str(node["runID"]))
        for child in node.get("children", []):  # type: ignore[attr-defined]
            walk(child)

    for message in both.editor.discover().messages:
        walk(message["tests"])
    # VS Code's are relative to where the message says.
    return [str(both.case.project / test) for test in found]


def test_a_run_on_the_controller(both: Both) -> None:
    """Message for message, in their order."""
    ids = ids_of(both)
    assert len(ids) == 14
    plain = both.editor.run(ids)
    assert Counter(outcome for outcome, _ in plain.outcomes().values()) == {"success": 6, "failure": 4, "error": 1, "skipped": 3}
    both.addopts("--fast -n 0")
    for _ in range(2):
        fast = both.editor.run(ids)
        assert [masked(str(one)) for one in fast.messages] == [masked(str(one)) for one in plain.messages], fast.done
        assert "warning" not in fast.done.err, fast.done
        assert fast.done.code == plain.done.code == 0  # the script's
    both.assert_served()


def test_a_run_of_one_test(both: Both) -> None:
    one = str(both.case.project / "test_top.py") + "::test_number[2]"
    plain = both.editor.run([one])
    both.addopts("--fast")
    fast = both.editor.run([one])
    assert events(fast) == events(plain) and list(events(fast)) == [one]
    assert events(fast)[one][0] == "failure" and "assert 2 != 2" in str(events(fast)[one][1])
    both.assert_served()


def test_a_run_by_workers(both: Both) -> None:
    """What the editor's plugin says to pytest-xdist's workers, it says to pfast's."""
    ids = ids_of(both)
    both.addopts("-n 2")
    xdist = both.editor.run(ids)
    both.addopts("--fast -n 2")
    fast = both.editor.run(ids)
    assert Counter(map(normal, fast.messages)) == Counter(map(normal, xdist.messages)), fast.done
    both.assert_served()


def normal(message: dict[str, object]) -> str:
    return str(masked(str(sorted(message.items()))))


def test_a_run_after_an_edit(both: Both) -> None:
    one = str(both.case.project / "test_top.py") + "::test_number[2]"
    both.addopts("--fast")
    assert events(both.editor.run([one]))[one][0] == "failure"
    both.case.write({"test_top.py": SUITE["test_top.py"].replace("n != 2", "n != 5")})
    assert events(both.editor.run([one]))[one][0] == "success"


def test_a_run_of_a_test_that_is_gone(both: Both) -> None:
    gone = str(both.case.project / "test_top.py") + "::test_gone"
    plain = both.editor.run([gone])
    both.addopts("--fast")
    fast = both.editor.run([gone])
    assert fast.messages == plain.messages and fast.messages[-1]["status"] == "error"
    both.assert_served()


def test_that_they_share_what_is_warm(both: Both) -> None:
    """Discoveries, of `python -m pytest`, and runs, of the editor's script: a boot for either kind, whatever pipe it has."""
    ids = ids_of(both)
    both.addopts("--fast")
    for _ in range(3):
        both.editor.discover()
        assert len(both.editor.run(ids[:1]).messages) == 1
    boots = [line for line in both.case.pfast("logs").out.splitlines() if ": boots as process" in line or ": goes on before" in line]
    assert len(boots) <= 3, boots  # the third one collects the rest in the background


def test_by_the_environment(both: Both) -> None:
    """PYTEST_FAST=1 in the editor's settings instead of addopts."""
    plain = both.editor.run([str(both.case.project / "test_top.py")], "-n0")
    fast = both.editor.run([str(both.case.project / "test_top.py")], "-n0", env=FAST)
    assert events(fast) == events(plain) and len(events(fast)) == 10
    both.assert_served()


# -- PyCharm, TeamCity -------------------------------------------------------------------------------------------------------


class Teamcity:
    def __init__(self, both: Both) -> None:
        self.both = both

    def pytest(self, *args: str, env: dict[str, str] | None = None) -> Finished:
        case = self.both.case
        return Running([str(self.both.python), "-m", "pytest", *args], case.project, {**case.env, **(env or {})}, case._folder()).finish()


@pytest.fixture
def teamcity(case: Case) -> Iterator[Teamcity]:
    case.write(SUITE)
    case.env["TEST_RUN_PIPE"] = "none"
    yield Teamcity(Both(case, "ours"))


def service_messages(done: Finished) -> list[str]:
    """Without times and the numbers of flows."""
    lines = [line.strip() for line in re.findall(r"##teamcity\[.*?(?<!\|)\]", done.out, re.DOTALL)]
    lines = [re.sub(r" (timestamp|duration|flowId)='[^']*'", "", line) for line in lines]
    return [str(masked(line)) for line in lines]


@pytest.mark.parametrize("args", [["--teamcity"], ["--teamcity", "--collect-only"], ["--teamcity", "-q", "-x"], ["--teamcity", "-s"]])
def test_teamcity(teamcity: Teamcity, args: list[str]) -> None:
    plain = teamcity.pytest(*args)
    fast = teamcity.pytest("--fast", "-n", "0", *args)
    assert service_messages(fast) == service_messages(plain), fast
    assert fast.code == plain.code and "warning" not in fast.err, fast
    assert service_messages(plain)
    teamcity.both.assert_served()


def test_teamcity_by_its_variable(teamcity: Teamcity) -> None:
    """A build agent sets TEAMCITY_VERSION; nobody gives an option."""
    agent = {"TEAMCITY_VERSION": "2026.1"}
    plain = teamcity.pytest(env=agent)
    fast = teamcity.pytest("--fast", "-n", "0", env=agent)
    assert service_messages(fast) == service_messages(plain) and len(service_messages(plain)) > 20, fast
    none = teamcity.pytest("--fast", "-n", "0")
    assert not service_messages(none), none
    teamcity.both.assert_served()


def test_teamcity_by_workers(teamcity: Teamcity) -> None:
    """The order is the workers'; what is said of each test is not."""
    xdist = teamcity.pytest("--teamcity", "-n", "2")
    fast = teamcity.pytest("--teamcity", "--fast", "-n", "2")
    said = Counter(service_messages(fast))
    assert said.pop("##teamcity[testCount count='14']") == 1  # as without workers; pytest-xdist's controller does not collect
    assert said == Counter(service_messages(xdist)), fast
    teamcity.both.assert_served()


_RUNNER = """
import sys
import pytest
from teamcity import pytest_plugin


class Plugin:
    @staticmethod
    def pytest_configure(config):
        print("##teamcity[enteredTheMatrix]")


if __name__ == "__main__":
    code = pytest.main([*sys.argv[1:], "--teamcity"], [Plugin])
    print("the runner has ended with", int(code))
"""


def test_a_runner_with_objects(teamcity: Teamcity) -> None:
    """PyCharm's own runner gives pytest.main a class of its script: that cannot be had elsewhere. Plain pytest runs, and it is said."""
    case = teamcity.both.case
    runner = case.home / "runner.py"
    runner.write_text(_RUNNER)
    command = [str(teamcity.both.python), str(runner), "test_top.py"]
    plain = Running(command, case.project, case.env, case._folder()).finish()
    fast = Running([*command, "--fast"], case.project, case.env, case._folder()).finish()
    assert service_messages(fast) == service_messages(plain) and "enteredTheMatrix" in plain.out, fast
    assert "the runner has ended with 1" in fast.out
    warnings = [line for line in fast.err.splitlines() if line.startswith("pfast: warning: ")]
    assert len(warnings) == 1 and "Plugin" in warnings[0] and warnings[0].endswith("plain pytest runs"), fast
    assert os.path.exists(runner) and case.status() is None
