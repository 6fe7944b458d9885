"""Options that a plugin or conftest uses while the suite is made warm: a later run with other ones means what it means in plain pytest."""

from __future__ import annotations

from collections import Counter

import pytest
from harness import Case

READS = """
    def pytest_configure(config):
        config.seen = [config.getoption("verbose"), config.option.capture, config.get_verbosity()]
"""
IN_SESSIONSTART = """
    def pytest_sessionstart(session):
        config = session.config
        config.seen = [config.getoption("verbose"), config.option.capture, config.get_verbosity()]
"""
SEES = """
    import os

    def test_seen(request):
        assert str(request.config.seen) == os.environ["WANTED"]
"""


def plan(case: Case, *args: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    done = case.run("--verbose-plan", *args, env=env)
    return done.code, done.out + done.err


@pytest.mark.parametrize("conftest", [READS, IN_SESSIONSTART], ids=["configure", "sessionstart"])
def test_an_option_that_a_conftest_has_read(case: Case, conftest: str) -> None:
    case.write({"conftest.py": conftest, "test_a.py": SEES})
    for args, wanted in (([], "[0, 'fd', 0]"), (["-v"], "[1, 'fd', 1]"), (["-s", "-n", "1"], "[0, 'no', 0]"), ([], "[0, 'fd', 0]")):
        code, text = plan(case, *args, env={"WANTED": wanted})
        assert code == 0, text
        if args:
            assert "'conftest' has used the option '" in text, text
        else:
            assert "adopt" in text, text


def test_an_option_that_a_conftest_has_changed(case: Case) -> None:
    case.write({
        "conftest.py": "def pytest_configure(config):\n    config.option.verbose = 2\n",
        "test_a.py": "def test_changed(request):\n    assert request.config.option.verbose == 2\n\ndef test_long():\n    assert [1] * 50 == [2] * 50\n",
    })
    expected = case.plain("-p", "no:cacheprovider", oracle=False)
    assert "Full diff" in expected.out
    for _ in range(2):
        code, text = plan(case)
        assert code == expected.code == 1 and "Full diff" in text, text
    assert "'conftest' has changed the option 'verbose'" in text


def test_what_pytest_itself_reads_is_no_reason(case: Case) -> None:
    case.write({"test_a.py": "def test_a():\n    pass\n", "conftest.py": "def pytest_configure(config):\n    config.getoption('collectonly')\n"})
    for args in ([], ["-v"], ["-s", "-n", "1"], ["-x", "--tb=short", "-rA"]):
        code, text = plan(case, *args)
        assert code == 0 and "adopt" in text and "has used" not in text, text


PRINTS = """
    def pytest_runtest_logreport(report):
        if report.when == "call":
            print(f"\\nheard of {report.nodeid}")
"""


def test_a_hook_that_prints_is_heard_once(case: Case) -> None:
    """In a worker and in the controller it is called; as with pytest-xdist it is the controller's that is heard."""
    case.write({"conftest.py": PRINTS, "test_a.py": """
        import pytest

        @pytest.mark.parametrize("n", range(4))
        def test_a(n):
            print("captured", n)
            assert n != 3
    """})
    for options in (["-n", "2", "--reporter", "pytest"], ["-n", "0"]):
        for _ in range(2):
            done = case.run(*options)
            heard = Counter(line for line in done.out.splitlines() if line.startswith("heard of "))
            assert heard == {f"heard of test_a.py::test_a[{n}]": 1 for n in range(4)}, done
            assert done.out.count("captured 3") == 1, done
