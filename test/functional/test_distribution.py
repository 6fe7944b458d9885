"""Which tests share a worker, and how often their fixtures are set up: seen in a log that the suite itself writes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import pytest
from harness import Case
from plugin_environment import plugin_environment
from run_log import CONFTEST, run, suite

def module(fixture: str, tests: Iterable[str], scope: str = "module") -> str:
    head = f"""
        import pytest
        from noting import note

        @pytest.fixture(scope="{scope}", autouse=True)
        def shared():
            note("{fixture}")
    """
    return textwrap.dedent(head) + "".join(f"\ndef {name}(): pass\n" for name in tests)


MODULES = [f"m{number}" for number in range(6)]


def test_six_modules_on_four_workers_are_set_up_six_times(case: Case) -> None:
    suite(case, {f"test_{name}.py": module(name, [f"test_{i}" for i in range(20)]) for name in MODULES})
    for _ in range(2):
        done, log = run(case, "-n", "4")
        assert len(done.outcomes) == 120
        assert [log.setups(name) for name in MODULES] == [1] * 6
        assert all(len(log.workers(f"test_{name}.py")) == 1 for name in MODULES)
        assert len(log.workers("")) > 1


def test_a_package_fixture_keeps_the_package_together(case: Case) -> None:
    conftest = """
        import pytest
        from noting import note

        @pytest.fixture(scope="package")
        def database():
            note("database")
    """
    user = "def test_one(database): pass\n\ndef test_two(database): pass\n"
    files = {f"pack/test_{i}.py": user for i in range(3)} | {f"test_{i}.py": "def test_one(): pass\n\ndef test_two(): pass\n" for i in range(9)}
    suite(case, {"pack/__init__.py": "", "pack/conftest.py": conftest, **files})
    _, log = run(case, "-n", "3")
    assert log.setups("database") == 1
    assert len(log.workers("pack/")) == 1


def test_parameters_of_the_whole_session_are_kept_together(case: Case) -> None:
    conftest = CONFTEST + """
    @pytest.fixture(scope="session", params=["sqlite", "postgres", "oracle"])
    def engine(request):
        note(request.param)
    """
    suite(case, {f"test_{i}.py": "def test_one(engine): pass\n\ndef test_two(engine): pass\n" for i in range(5)})
    case.write({"conftest.py": conftest})
    _, log = run(case, "-n", "3")
    assert [log.setups(name) for name in ("sqlite", "postgres", "oracle")] == [1, 1, 1]


def test_a_mark_keeps_tests_of_several_files_together(case: Case) -> None:
    marked = """
        import pytest

        @pytest.mark.xdist_group("port")
        def test_port(): pass

        @pytest.mark.xdist_group(name="disk")
        class TestDisk:
            def test_read(self): pass
            def test_write(self): pass
        {free}
    """
    free = "".join(f"\n        def test_free_{i}(): pass" for i in range(10))
    suite(case, {f"test_{i}.py": textwrap.dedent(marked).format(free=textwrap.dedent(free)) for i in range(4)})
    for dist in ("auto", "loadgroup"):
        _, log = run(case, "-n", "3", "--dist", dist)
        assert len(log.workers(*(f"test_{i}.py::test_port" for i in range(4)))) == 1, dist
        assert len(log.workers(*(f"test_{i}.py::TestDisk" for i in range(4)))) == 1, dist
        assert len(log.workers("")) > 1, dist


def test_a_mark_that_a_hook_adds_counts(case: Case) -> None:
    hook = """
    def pytest_collection_modifyitems(items):
        for item in items:
            if item.name == "test_two":
                item.add_marker(pytest.mark.xdist_group("two"))
    """
    suite(case, {f"test_{i}.py": "def test_one(): pass\n\ndef test_two(): pass\n" for i in range(6)})
    case.write({"conftest.py": CONFTEST + hook})
    _, log = run(case, "-n", "3")
    assert len(log.workers(*(f"test_{i}.py::test_two" for i in range(6)))) == 1


def test_the_order_that_a_plugin_chose_is_kept_inside_of_a_group(case: Case) -> None:
    hook = """
    def pytest_collection_modifyitems(items):
        items.sort(key=lambda item: (item.name, item.nodeid), reverse=True)
    """
    names = [f"test_{i}" for i in range(4)]
    suite(case, {f"test_{name}.py": module(name, names) for name in MODULES})
    case.write({"conftest.py": CONFTEST + hook})
    _, log = run(case, "-n", "2")
    for name in MODULES:
        assert log.order(f"test_{name}.py") == [f"test_{name}.py::{test}" for test in reversed(names)]
        assert log.setups(name) == 1
    # With one worker it is the whole order.
    _, log = run(case, "-n", "1")
    assert log.order("") == [f"test_{name}.py::{test}" for test in reversed(names) for name in reversed(MODULES)]


def test_unittests_own_class_fixtures_share_nothing(case: Case) -> None:
    """A file of many such tests may be spread; one whose setUpClass does something is not."""
    tests = "".join(f"    def test_{i}(self): time.sleep(0.02)\n" for i in range(24))
    plain = f"import time, unittest\nclass TestPlain(unittest.TestCase):\n{tests}"
    suite(case, {"test_plain.py": plain})
    _, log = run(case, "-n", "2")
    assert len(log.workers("test_plain.py")) == 2


SCHEDULERS = {"loadfile": "loadfile.LoadFileScheduling", "loadscope": "loadscope.LoadScopeScheduling"}

SPREAD = """
    import pytest

    @pytest.mark.parametrize("mail", ["a@b", "x::y@z", "c"])
    def test_mail(mail): pass

    def test_alone(): pass

    class TestOne:
        def test_a(self): pass
        def test_b(self): pass
        class TestInner:
            def test_c(self): pass
            def test_d(self): pass

    @pytest.mark.xdist_group("g")
    class TestTwo:
        def test_e(self): pass
        @pytest.mark.xdist_group("h")
        def test_f(self): pass
"""


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadfile", "loadscope", "loadgroup"])
def test_what_xdist_keeps_together_is_kept_together(case: Case, dist: str) -> None:
    """xdist itself says how it groups the node ids that it would have."""
    case.use_environment(plugin_environment())
    suite(case, {f"test_{i}.py": SPREAD for i in range(4)})
    case.write({"units.py": XDIST_UNITS, "pytest.ini": "[pytest]\npythonpath = .\naddopts = -p no:randomly -p no:rerunfailures\n"})
    _, log = run(case, "-n", "3", "--dist", dist)
    assert len(log.workers("")) > 1
    if dist in ("load", "worksteal"):
        return
    told = case.plain("-q", "-p", "units", "--collect-only", "-n", "0", "--dist", dist, env={"UNITS": dist, "PYTHONPATH": "."}, oracle=False)
    units: dict[str, list[str]] = {}
    for line in (case.project / "units").read_text().splitlines():
        nodeid, _, unit = line.rpartition("\t")
        units.setdefault(unit, []).append(nodeid)
    assert sorted(nodeid for unit in units.values() for nodeid in unit) == sorted(log.nodeids()), told
    process = {line.what: line.process for line in log.lines}
    for unit, nodeids in units.items():
        assert len({process[nodeid] for nodeid in nodeids}) == 1, unit


XDIST_UNITS = """
    import os
    import pytest
    from xdist.remote import WorkerInteractor
    from xdist.scheduler import LoadFileScheduling, LoadGroupScheduling, LoadScopeScheduling

    KINDS = {"loadfile": LoadFileScheduling, "loadscope": LoadScopeScheduling, "loadgroup": LoadGroupScheduling}

    class Grouping:
        @staticmethod
        def getvalue(name):
            return os.environ["UNITS"] == "loadgroup"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(items):
        before = [item.nodeid for item in items]
        WorkerInteractor.pytest_collection_modifyitems(None, Grouping, items)
        split = KINDS[os.environ["UNITS"]]._split_scope
        with open("units", "w") as out:
            for nodeid, item in zip(before, items):
                out.write(f"{nodeid}\\t{split(None, item.nodeid)}\\n")
"""


def test_a_long_test_keeps_nothing_that_another_worker_could_begin(case: Case) -> None:
    """It ends when all of the others are through, each of them in a file of its own: none of them may wait for it."""
    waits = """
        import os, time
        from pathlib import Path

        def test_long():
            log = Path(__file__).with_name("log")
            deadline = time.monotonic() + 60
            while log.read_text().count("test_short") < 7:
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.01)
    """
    suite(case, {"test_a.py": waits, **{f"test_{i}.py": "def test_short(): pass\n" for i in range(7)}})
    run(case, "-n", "2")


TEARDOWN = """
    import time
    from pathlib import Path
    import pytest
    from noting import note

    @pytest.fixture(scope="session")
    def failing():
        yield
        raise RuntimeError("the session's fixture fails")

    @pytest.fixture(scope="package")
    def of_package():
        yield
        note("package over")

    @pytest.fixture
    def until_the_others_ran():
        log = Path(__file__).with_name("log")
        deadline = time.monotonic() + 60
        while log.read_text().count("test_short") < 3:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
"""


def test_a_teardown_that_the_expected_item_put_off_belongs_to_the_last_test(case: Case) -> None:
    """While the long test runs, another worker takes what was announced to come after it."""
    suite(case, {f"test_{i}.py": "def test_short(): pass\n" for i in range(3)})
    case.write({"conftest.py": CONFTEST + textwrap.dedent(TEARDOWN).replace("\n", "\n    ")})
    case.write({"test_a.py": "def test_long(failing, until_the_others_ran): pass\n"})
    for options in (["-n", "2"], ["-n", "2", "--reporter", "pytest", "-v"]):
        (case.project / "log").unlink(missing_ok=True)
        done = case.run(*options)
        assert done.code == 1, done
        assert done.outcomes["test_a.py::test_long"] == "error", done
        assert "RuntimeError: the session's fixture fails" in done.out
        assert done.out.count("ERROR at teardown of test_long") == 1, done
