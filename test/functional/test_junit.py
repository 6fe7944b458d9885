"""`--junitxml` under either reporter is pytest's own file, with any number of workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from harness import Case
from junit_file import difference, normal_lines
from suites_of_tests import ZOO

FILES = {
    **ZOO,
    "test_recorded.py": """
        import logging, sys
        import pytest

        @pytest.fixture(scope="session")
        def machine(record_testsuite_property):
            record_testsuite_property("ARCH", "PPC")
            record_testsuite_property("words", ["a", "<b>"])

        @pytest.fixture
        def marked(record_xml_attribute):
            record_xml_attribute("assertions", "REQ-1")
            yield
            record_xml_attribute("late", "yes")

        @pytest.mark.parametrize("n", range(6))
        def test_uses_the_machine(machine, n):
            pass

        def test_attribute(marked, record_xml_attribute):
            record_xml_attribute("custom", "<&\\x01>")

        def test_fails_with_attribute(marked):
            assert 0

        def test_property(record_property):
            record_property("example", 1)
            record_property("other", "\\x00 & é")

        def test_property_of_the_suite(record_testsuite_property):
            record_testsuite_property("from", "a test")
            record_testsuite_property("from", "a test")

        def test_same_property_of_the_suite(record_testsuite_property):
            record_testsuite_property("from", "a test")

        @pytest.fixture
        def noisy():
            print("in setup")
            yield
            print("in teardown", file=sys.stderr)

        def test_output(noisy):
            print("in call")
            logging.getLogger("app").warning("to the log")

        def test_output_of_a_failure(noisy):
            print("in call")
            logging.getLogger("app").warning("to the log")
            assert 0, "two\\nlines"

        def test_long_message():
            assert 0, "x" * 5000 + "\\n" + "more\\n" * 100
    """,
    "test_twice.py": """
        import pytest

        @pytest.mark.parametrize("word", ["a", "b"])
        def test_words(word):
            pass

        class TestClass:
            def test_method(self):
                pass
    """,
}

#: -o options and the like, each for both sides.
STYLES = {
    "plain": [],
    "xunit1": ["-o", "junit_family=xunit1"],
    "legacy": ["-o", "junit_family=legacy", "--junit-prefix", "pre.fix"],
    "all output": ["-o", "junit_logging=all"],
    "no output of what passes": ["-o", "junit_logging=all", "-o", "junit_log_passing_tests=false", "-o", "junit_family=xunit1"],
    "log": ["-o", "junit_logging=log"],
    "system-err": ["-o", "junit_logging=system-err", "-o", "junit_suite_name=mine"],
    "stops": ["-o", "junit_logging=system-out", "-x"],
    "traceback": ["--tb=short", "-l", "-o", "junit_logging=out-err"],
}


@pytest.fixture(scope="module")
def zoo() -> Iterator[Case]:
    case = Case()
    try:
        case.write(FILES)
        yield case
    finally:
        case.close()


def assert_same_file(case: Case, wanted: str, found: str) -> None:
    assert difference(case.project / wanted, case.project / found) == ""


@pytest.mark.parametrize("style", STYLES)
def test_the_file_is_pytests(zoo: Case, style: str) -> None:
    args = STYLES[style]
    zoo.plain("--junitxml=plain.xml", *args)
    wanted = normal_lines(zoo.project / "plain.xml")
    assert sum("<testcase" in line for line in wanted) > (3 if style == "stops" else 50)
    # -x: with several workers others may have been under way.
    for options in (["-n", "0"], ["-n", "1"], *([["-n", "3"]] if style != "stops" else [])):
        zoo.run(*options, "--junitxml=pfast.xml", *args)
        assert_same_file(zoo, "plain.xml", "pfast.xml")


def test_the_file_is_pytests_with_its_own_reporter(zoo: Case) -> None:
    args = ["-o", "junit_logging=all", "-o", "junit_family=xunit1"]
    zoo.plain("--junitxml=plain.xml", *args)
    zoo.run("-n", "2", "--reporter", "pytest", "--junitxml=pfast.xml", *args)
    assert_same_file(zoo, "plain.xml", "pfast.xml")


def test_one_item(zoo: Case) -> None:
    for nodeid in ("test_recorded.py::test_attribute", "test_outcomes.py::test_fails", "test_outcomes.py::test_passes"):
        zoo.plain("--junitxml=plain.xml", "-o", "junit_family=xunit1", nodeid)
        zoo.run("-o", "junit_family=xunit1", "--junitxml=pfast.xml", nodeid)
        assert_same_file(zoo, "plain.xml", "pfast.xml")


def test_where_the_file_is_written(zoo: Case) -> None:
    done = zoo.run("-n", "1", "--junitxml=new/folder/out.xml", "test_twice.py")
    assert (zoo.project / "new/folder/out.xml").is_file()
    assert f"generated xml file: {zoo.project / 'new/folder/out.xml'}" in done.out
    assert "generated xml file" not in zoo.run("-n", "1", "-q", "--junitxml=quiet.xml", "test_twice.py").out


@pytest.mark.parametrize("part", ["total", "call"])
def test_durations_are_those_of_the_reports(zoo: Case, part: str) -> None:
    zoo.run(
        *("-n", "2", "--events", "events.jsonl", "--junitxml=pfast.xml", "-o", f"junit_duration_report={part}", "test_recorded.py")
    )
    events = [json.loads(line) for line in (zoo.project / "events.jsonl").read_text().splitlines()]
    wanted = {
        event["nodeid"].partition("::")[2]: sum(
            phase["duration_s"] for phase in event["phases"] if part == "total" or phase["when"] == part
        )
        for event in events
        if event["type"] == "result"
    }
    found = {one.get("name", ""): one.get("time") for one in ElementTree.parse(zoo.project / "pfast.xml").iter("testcase")}
    assert found == {name: f"{seconds:.3f}" for name, seconds in wanted.items()}
    assert len(found) == 14


def test_every_run_writes_it_anew(zoo: Case) -> None:
    zoo.plain("--junitxml=plain.xml", "test_recorded.py")
    zoo.run("-n", "2", "--runs", "2", "--junitxml=pfast.xml", "test_recorded.py")
    assert_same_file(zoo, "plain.xml", "pfast.xml")


def test_collection_errors(case: Case) -> None:
    case.write({**FILES, "test_broken.py": "import no_such_module_anywhere\n"})
    for args in ([], ["--continue-on-collection-errors"]):
        case.plain("--junitxml=plain.xml", *args)
        case.run("-n", "2", "--junitxml=pfast.xml", *args)
        assert_same_file(case, "plain.xml", "pfast.xml")


def test_a_lost_worker_is_a_failure_in_its_place(case: Case) -> None:
    """All other testcases are as they were; that of the item at hand names the worker."""
    suite = {
        "pytest.ini": "[pytest]\n",
        "test_l.py": """
            import os
            import pytest

            @pytest.mark.parametrize("n", range(12))
            def test_number(n, record_property):
                record_property("n", n)
                if n == 5 and os.environ.get("DIE"):
                    os.kill(os.getpid(), 9)
                assert n != 5
        """,
    }
    case.write(suite)
    case.plain("--junitxml=plain.xml")
    assert case.run("-n", "3", "--junitxml=pfast.xml", env={"DIE": "1"}).code == 1
    wanted, found = (list(ElementTree.parse(case.project / name).iter("testcase")) for name in ("plain.xml", "pfast.xml"))
    assert [one.get("name") for one in found] == [one.get("name") for one in wanted]
    suite_of_all = ElementTree.parse(case.project / "pfast.xml").find("testsuite")
    assert suite_of_all is not None
    assert [suite_of_all.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["12", "1", "0", "0"]
    for one, other in zip(wanted, found):
        if one.get("name") != "test_number[5]":
            assert without_time(one) == without_time(other)
    (failure,) = found[5].iter("failure")
    assert "crashed while running 'test_l.py::test_number[5]'" in failure.get("message", "")


def without_time(element: ElementTree.Element) -> bytes:
    element.attrib.pop("time", None)
    return ElementTree.tostring(element)


def test_tries_are_one_testcase(case: Case) -> None:
    """Also when the worker of the first one was lost before the second."""
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_r.py": """
                import os

                def test_at_third_try(record_property):
                    tries = len([name for name in os.listdir() if name.startswith("try")])
                    open(f"try{tries}", "w").close()
                    record_property("tries", tries)
                    if tries == 1:
                        os.kill(os.getpid(), 9)
                    assert tries == 2

                def test_fine():
                    pass

                def test_also_fine():
                    pass
            """,
        }
    )
    case.run("-n", "2", "--retries", "3", "--junitxml=pfast.xml")
    found = list(ElementTree.parse(case.project / "pfast.xml").iter("testcase"))
    assert [one.get("name") for one in found] == ["test_at_third_try", "test_fine", "test_also_fine"]


def test_a_file_that_cannot_be_written(zoo: Case) -> None:
    (zoo.project / "is_a_file").write_text("")
    expected = zoo.plain("--junitxml=is_a_file/out.xml", "test_twice.py", oracle=False)
    actual = zoo.run("-n", "1", "--junitxml=is_a_file/out.xml", "test_twice.py")
    assert expected.code != 0 and actual.code != 0
    assert Path(zoo.project / "is_a_file").read_text() == ""
