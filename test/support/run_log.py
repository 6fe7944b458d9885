"""A log that a suite writes of its own run: which process ran what, in which order, and how often fixtures were set up."""

from __future__ import annotations

from dataclasses import dataclass

from harness import Case, Finished

#: Every test and set-up adds a line: worker, process, what.
NOTING = """
    import os

    def note(what):
        line = f"{os.environ.get('PYTEST_XDIST_WORKER', '-')} {os.getpid()} {what}\\n"
        log = os.open(os.path.join(os.path.dirname(__file__), "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(log, line.encode())
        os.close(log)
"""
CONFTEST = """
    import pytest
    from noting import note

    @pytest.fixture(autouse=True)
    def noted(request):
        note(request.node.nodeid)
"""


@dataclass
class Line:
    worker: str
    process: str
    what: str


class Log:
    def __init__(self, case: Case) -> None:
        self.lines = [Line(*line.split(" ", 2)) for line in (case.project / "log").read_text().splitlines()]

    def setups(self, name: str) -> int:
        return sum(1 for line in self.lines if line.what == name)

    def workers(self, *beginnings: str) -> set[str]:
        """The processes that ran tests whose node ids begin so."""
        return {line.process for line in self.lines if "::" in line.what and line.what.startswith(beginnings)}

    def order(self, beginning: str) -> list[str]:
        return [line.what for line in self.lines if "::" in line.what and line.what.startswith(beginning)]

    def first_of_workers(self) -> list[str]:
        """What each process began with."""
        firsts: dict[str, str] = {}
        for line in self.lines:
            if "::" in line.what:
                firsts.setdefault(line.process, line.what)
        return list(firsts.values())

    def nodeids(self) -> list[str]:
        return [line.what for line in self.lines if "::" in line.what]


def suite(case: Case, files: dict[str, str]) -> None:
    case.write({"pytest.ini": "[pytest]\nmarkers =\n    xdist_group\npythonpath = .\n", "noting.py": NOTING, "conftest.py": CONFTEST, **files})


def run(case: Case, *options: str) -> tuple[Finished, Log]:
    """One run that passes and runs every test exactly once."""
    (case.project / "log").unlink(missing_ok=True)
    done = case.run(*options)
    assert done.code == 0, done
    log = Log(case)
    assert sorted(log.nodeids()) == sorted(done.outcomes), done
    return done, log
