"""`--junitxml` and tests that pass: their workers write them, in pytest's words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from harness import Case
from junit_file import difference

#: At the end of a session, ahead of pytest's log: how many testcases it has been told of.
COUNTS_TOLD = """
    import pytest
    from _pytest.junitxml import xml_key

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(session):
        log = session.config.stash.get(xml_key, None)
        if log is not None:
            session.config.rootpath.joinpath("told").write_text(str(len(log.node_reporters_ordered)))
"""

#: Plain passes, and tests of which something else is told or whose names XML or pytest writes in another way.
NAMES = {
    "pytest.ini": "[pytest]\npython_files = test_*.py tést_*.py\n",
    "conftest.py": COUNTS_TOLD,
    "base.py": """
        class Base:
            def test_inherited(self):
                pass
    """,
    "deep/er/test_names.py": """
        import unittest
        import pytest
        from base import Base

        @pytest.mark.parametrize("word", ["plain", "a::b", "[x]", "name=1"])
        def test_as_they_are(word):
            pass

        @pytest.mark.parametrize("word", ["&", "<b>", '"', "'", "\\\\", "\\t\\x00", "é", "\\n"])
        def test_escaped(word):
            pass

        class TestInherits(Base):
            def test_own(self):
                pass

            class TestWithin:
                def test_deep(self):
                    pass

        class TestOfUnittest(unittest.TestCase):
            def test_method(self):
                pass

            def test_subtests(self):
                for n in range(2):
                    with self.subTest(n=n):
                        pass

        def test_property(record_property):
            record_property("a", 1)

        def test_attribute(record_xml_attribute):
            record_xml_attribute("a", 1)

        def test_fails():
            assert 0

        @pytest.mark.xfail
        def test_xpasses():
            pass

        @pytest.fixture
        def fails_at_end():
            yield
            assert 0

        def test_fails_at_end(fails_at_end):
            pass
    """,
    "tést_file.py": "def test_in_it(): pass\n",
    "text.txt": ">>> 1 + 1\n2\n",
}


@pytest.fixture(scope="module")
def names() -> Iterator[Case]:
    case = Case()
    try:
        case.write({**NAMES, "deep/er/conftest.py": "import sys\n"})
        yield case
    finally:
        case.close()


def told(case: Case) -> int:
    return int((case.project / "told").read_text())


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["-o", "junit_family=xunit1"],
        ["-o", "junit_family=xunit1", "--junit-prefix", "pre<.>fix"],
        ["-o", "junit_duration_report=call", "--junit-prefix", "line", "-o", "junit_suite_name=name"],
    ],
)
def test_the_file_is_pytests(names: Case, args: list[str]) -> None:
    args = ["-p", "no:cacheprovider", "--doctest-glob=*.txt", *args]
    names.plain("--junitxml=plain.xml", *args)
    everything = told(names)
    for workers in ("1", "3"):
        names.run("-n", workers, "--junitxml=pfast.xml", *args)
        assert difference(names.project / "plain.xml", names.project / "pfast.xml") == ""
        # What has a name that is escaped, a property, an attribute, a failure, subtests, or the report of a doctest.
        assert 0 < told(names) < everything - 8


def test_what_only_passes_is_not_told(case: Case) -> None:
    case.write(
        {
            "conftest.py": COUNTS_TOLD,
            "test_a.py": "import pytest\n@pytest.mark.parametrize('n', range(30))\ndef test_n(n): print('not in the file')\n",
            "test_b.py": "def test_b(): pass\n",
        }
    )
    case.plain("--junitxml=plain.xml")
    assert told(case) == 31
    case.run("-n", "2", "--junitxml=pfast.xml")
    assert told(case) == 0
    assert difference(case.project / "plain.xml", case.project / "pfast.xml") == ""
    # With what they print each is told in full.
    case.plain("--junitxml=plain.xml", "-o", "junit_logging=all")
    case.run("-n", "2", "--junitxml=pfast.xml", "-o", "junit_logging=all")
    assert told(case) == 30
    assert difference(case.project / "plain.xml", case.project / "pfast.xml") == ""


def test_with_full_reports_of_everything(names: Case) -> None:
    """The client has all reports, the log those that it needs."""
    names.plain("--junitxml=plain.xml")
    everything = told(names)
    names.run("-n", "2", "--full-report", "--events", "events.jsonl", "--junitxml=pfast.xml")
    assert difference(names.project / "plain.xml", names.project / "pfast.xml") == ""
    assert told(names) < everything - 8
    events = [json.loads(line) for line in (names.project / "events.jsonl").read_text().splitlines()]
    results = [event for event in events if event["type"] == "result"]
    assert len(results) == everything
    assert all(len(event["reports"]) >= len(event["phases"]) > 0 and None not in event["reports"] for event in results)
    assert not any("testcase" in event for event in results)


def test_a_reader_of_reports_sees_all_of_them(case: Case) -> None:
    """A plugin that looks at reports gets them, and the file is the same."""
    case.write(
        {
            "conftest.py": COUNTS_TOLD
            + """
    def pytest_runtest_logreport(report):
        with open(f"{report.when}s", "a") as file:
            file.write(f"{report.nodeid}\\n")
""",
            "test_a.py": "def test_a(): pass\ndef test_b(): pass\n",
        }
    )
    case.plain("--junitxml=plain.xml")
    for name in ("setups", "calls", "teardowns"):
        (case.project / name).unlink()
    case.run("-n", "2", "--junitxml=pfast.xml")
    assert told(case) == 2
    assert sorted((case.project / "calls").read_text().split()) == 2 * ["test_a.py::test_a"] + 2 * ["test_a.py::test_b"]
    assert difference(case.project / "plain.xml", case.project / "pfast.xml") == ""


def test_a_log_that_a_conftest_has_changed(case: Case) -> None:
    """Each testcase may have something of its own."""
    case.write(
        {
            "conftest.py": COUNTS_TOLD
            + """
    import functools
    from _pytest import junitxml

    def numbered(to_xml):
        @functools.wraps(to_xml)
        def with_number(self):
            testcase = to_xml(self)
            testcase.set("number", str(self.id)[-1])
            return testcase
        return with_number

    junitxml._NodeReporter.to_xml = numbered(junitxml._NodeReporter.to_xml)
""",
            "test_a.py": "def test_1(): pass\ndef test_2(): pass\n",
        }
    )
    case.plain("--junitxml=plain.xml")
    assert 'number="2"' in (case.project / "plain.xml").read_text()
    case.run("-n", "1", "--junitxml=pfast.xml")
    assert difference(case.project / "plain.xml", case.project / "pfast.xml") == ""


def test_a_file_that_cannot_be_read_again(case: Case, tmp_path: Path) -> None:
    """A terminal, a pipe: what is written there is whole at once."""
    case.write({"test_a.py": "def test_a(): pass\ndef test_b(): pass\n"})
    case.run("-n", "2", "-q", "-q", "--junitxml=/dev/stderr")
    done = case.run("-n", "2", "-q", "-q", "--junitxml=/dev/stderr")
    begin = done.err.index("<?xml")
    suite = ElementTree.fromstring(done.err[begin : done.err.index("</testsuites>") + len("</testsuites>")])
    assert [one.get("name") for one in suite.iter("testcase")] == ["test_a", "test_b"]


def test_sessions_of_their_own_and_an_interrupted_run(case: Case) -> None:
    """Workers that collect for themselves write nothing; a run that a test ends has what was before."""
    case.write(
        {
            "conftest.py": COUNTS_TOLD,
            "test_a.py": """
                import pytest

                @pytest.mark.parametrize("n", range(6))
                def test_n(n):
                    if n == 4:
                        pytest.exit("enough", 3)
            """,
        }
    )
    case.plain("--junitxml=plain.xml", "-k", "not 4")
    case.run("-n", "2", "--start-method", "spawn", "--junitxml=pfast.xml", "-k", "not 4")
    assert told(case) == 5
    assert difference(case.project / "plain.xml", case.project / "pfast.xml") == ""
    assert case.run("-n", "1", "--junitxml=pfast.xml").code == 3
    assert told(case) == 0
    found = ElementTree.parse(case.project / "pfast.xml").iter("testcase")
    assert [one.get("name") for one in found] == [f"test_n[{n}]" for n in range(4)]
