"""Fidelity of reports: values, bytes, sizes and warnings arrive as in plain pytest."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from harness import Case
from oracle import section

INI = {"pytest.ini": "[pytest]\n"}
INLINE = ["-n", "0"]
WORKERS = ["-n", "2"]


def test_recorded_properties_of_odd_kinds(case: Case) -> None:
    case.write(
        {
            **INI,
            "test_properties.py": """
                import datetime, decimal, pathlib, threading, pytest

                class Odd:
                    def __str__(self):
                        return "odd"
                    __repr__ = __str__
                    def __reduce__(self):
                        raise TypeError("not to be pickled")

                VALUES = [datetime.date(2020, 1, 2), decimal.Decimal("1.50"), {"a": (1, 2)}, {1, }, b"bytes", None, 10**50, float("inf"),
                          pathlib.PurePosixPath("/x"), Odd(), threading.Lock, "\\u00e9 text"]

                @pytest.mark.parametrize("n", range(len(VALUES)))
                def test_property(n, record_property, record_xml_attribute):
                    record_property("value", VALUES[n])
                    record_property(str(n), [VALUES[n]])

                def test_suite_property(record_testsuite_property):
                    record_testsuite_property("when", datetime.date(2020, 1, 2))
            """,
        }
    )
    expected = case.plain("--junitxml=plain.xml")
    wanted = properties(case.project / "plain.xml")
    assert len(wanted) == 12
    for options in (INLINE, WORKERS, [*WORKERS, "--reporter", "pytest"]):
        case.assert_same(expected, case.run(*options, "--junitxml=pfast.xml"))
        assert properties(case.project / "pfast.xml") == wanted


def properties(path: Path) -> dict[str, list[tuple[str | None, str | None]]]:
    return {
        one.get("name", ""): [(item.get("name"), item.get("value")) for item in one.iter("property")]
        for one in ElementTree.parse(path).iter("testcase")
        if one.find("properties") is not None
    }


def test_text_that_is_no_unicode(case: Case) -> None:
    case.write(
        {
            **INI,
            "test_text.py": """
                import os, sys, pytest, warnings

                def test_bytes():
                    os.write(1, b"\\xff\\xfe no utf-8\\n")
                    sys.stdout.buffer.write(b"\\x80\\n")
                    assert 0

                def test_message():
                    assert 0, "\\udc80 lone"

                def test_raises():
                    raise ValueError("\\ud800")

                def test_warns():
                    warnings.warn("\\udcff")

                def test_null():
                    print("\\0 \\x1b[31m \\r")
                    assert 0, "\\0"

                @pytest.mark.parametrize("text", ["\\udc81", "\\0", "\\u2028", "a\\nb", "\\U0001f600"])
                def test_parameter(text):
                    assert 0
            """,
        }
    )
    for options in (INLINE, ["-n", "1"], WORKERS):
        case.same(options=options)


def test_a_hundred_megabytes_of_output(case: Case) -> None:
    case.write(
        {
            **INI,
            "test_huge.py": """
                def test_huge():
                    for _ in range(100):
                        print("x" * 1023 + "\\n", end="")
                        print(("y" * 1023 + "\\n") * 1023, end="")
                    assert 0, "after the output"

                def test_other():
                    pass
            """,
        }
    )
    done = case.run("-n", "2")
    assert done.code == 1
    assert done.outcomes == {"test_huge.py::test_huge": "failed", "test_huge.py::test_other": "passed"}
    assert "after the output" in done.out
    assert len(done.out) < 40_000_000
    assert "characters left out" in done.out


@pytest.mark.parametrize("options", [INLINE, ["-n", "1"]], ids=" ".join)
def test_the_summary_of_warnings(case: Case, options: list[str]) -> None:
    case.write(
        {
            **INI,
            "helper.py": "import warnings\nwarnings.warn('on import', DeprecationWarning)\ndef old(): warnings.warn('old', FutureWarning, stacklevel=2)\n",
            "test_warnings.py": """
                import warnings, helper, pytest

                class TestThing:
                    def __init__(self):
                        pass

                def test_one():
                    helper.old()

                @pytest.mark.parametrize("n", range(3))
                def test_same(n):
                    warnings.warn("the same", UserWarning)

                @pytest.mark.filterwarnings("ignore")
                def test_ignored():
                    helper.old()

                @pytest.mark.unknown_mark
                def test_mark():
                    pass
            """,
        }
    )
    expected = section(case.plain().out, "warnings summary")
    assert "on import" in expected and "the same" in expected
    for _ in range(2):
        for reporter in ("native", "pytest"):
            done = case.run(*options, "--reporter", reporter)
            assert section(done.out, "warnings summary") == expected


def test_warnings_that_are_errors(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\nfilterwarnings = error\n",
            "test_strict.py": """
                import warnings

                def test_warns():
                    warnings.warn("no")

                def test_fine():
                    pass

                def test_leaves_a_file_open(tmp_path):
                    open(tmp_path / "file", "w")
            """,
        }
    )
    for options in (INLINE, ["-n", "1"], WORKERS):
        case.same(options=options)
    case.same("-W", "error")
