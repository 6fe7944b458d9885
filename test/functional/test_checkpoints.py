"""Checkpoints: after an edit collection goes on from a paused copy of the process that had not read the edited file."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from faulty_libc import without_tid_address
from harness import GRACE_S, TIMEOUT_S, Case
from processes import Process, wait_until
from random_edits import Project, run_in_order

#: Every place where a checkpoint may be made has one.
EVERYWHERE = {"PFAST_CHECKPOINTS": "12", "PFAST_CHECKPOINT_GAP_MS": "0"}

SUITE = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": "import shop\n",
    "shop/__init__.py": "from shop import prices\n",
    "shop/prices.py": "PRICES = [1, 2]\n",
    "test_a.py": "import pytest, shop\n@pytest.mark.parametrize('p', shop.prices.PRICES)\ndef test_a(p): pass\n",
    "test_b.py": "def test_b(): pass\n",
    "sub/conftest.py": "NAMES = ['x']\n",
    "sub/test_c.py": "def test_c(): pass\n",
    "test_d.py": "def test_d(): pass\n",
}


@pytest.fixture
def suite(case: Case) -> Case:
    case.env.update(EVERYWHERE)
    case.write(SUITE)
    return case


def checkpoints(case: Case) -> list[Process]:
    return [process for process in case.processes() if process.command.startswith("pfast checkpoint")]


def generation(case: Case) -> dict[str, Any]:
    status = case.status()
    assert status is not None
    return dict(status["generations"][-1])


def assert_collected_like_pytest(case: Case, *args: str) -> list[str]:
    """The same node ids in the same order, with the same outcomes; not by --collect-only, which collects in a session of its own."""
    expected = case.plain(*args)
    actual, collected = run_in_order(case, *args)
    Case.assert_same(expected, actual)
    assert collected == list(expected.outcomes), case.pfast("logs").out
    return collected


def edit(case: Case, name: str, text: str) -> None:
    (case.project / name).write_text(text)


def log(case: Case) -> str:
    return case.pfast("logs").out


def test_collection_goes_on_before_the_edited_file(suite: Case) -> None:
    assert_collected_like_pytest(suite)
    first = generation(suite)
    edit(suite, "test_d.py", "def test_d(): pass\ndef test_e(): pass\n")
    assert "test_d.py::test_e" in assert_collected_like_pytest(suite)
    assert f"goes on before {suite.project}/test_d.py" in log(suite)
    assert generation(suite)["id"] != first["id"]


@pytest.mark.parametrize(
    "name, text",
    [
        ("shop/prices.py", "PRICES = [1, 2, 3]\n"),
        ("sub/conftest.py", "def pytest_itemcollected(item): item.add_marker('slow')\n"),
        ("conftest.py", "import shop\nshop.prices.PRICES.append(7)\n"),
        ("sub/test_new.py", "def test_new(): pass\n"),
        ("pytest.ini", "[pytest]\npython_functions = test_a\n"),
    ],
)
def test_whatever_is_edited_the_collection_is_pytests(suite: Case, name: str, text: str) -> None:
    assert_collected_like_pytest(suite)
    edit(suite, name, text)
    assert_collected_like_pytest(suite)


def test_a_deleted_file_and_one_that_comes_back(suite: Case) -> None:
    before = assert_collected_like_pytest(suite)
    text = (suite.project / "test_b.py").read_text()
    (suite.project / "test_b.py").unlink()
    assert_collected_like_pytest(suite)
    edit(suite, "test_b.py", text)
    assert assert_collected_like_pytest(suite) == before


def test_an_edited_file_that_is_named_is_collected_alone_and_the_rest_behind_it(suite: Case) -> None:
    everything = assert_collected_like_pytest(suite)
    edit(suite, "test_b.py", "def test_b(): pass\ndef test_more(): pass\n")
    done = suite.run("test_b.py")
    assert (done.code, sorted(done.outcomes)) == (0, ["test_b.py::test_b", "test_b.py::test_more"]), done
    assert f"goes on before {suite.project}/test_b.py" in log(suite)
    assert wait_until(lambda: generation(suite)["items"] == len(everything) + 1, TIMEOUT_S), suite.status()
    assert len(assert_collected_like_pytest(suite)) == len(everything) + 1


WAITS = "import os\ntry:\n    os.waitpid(-1, os.WNOHANG)\nexcept ChildProcessError:\n    def test_is_alone(): pass\n"


@pytest.mark.parametrize("kernel", ["forks siblings", "forks children only"])
def test_the_suite_has_no_child_that_it_could_wait_for(case: Case, kernel: str) -> None:
    case.env.update(EVERYWHERE)
    asked = case.home / "asked"
    if kernel == "forks children only":
        case.env.update(without_tid_address(asked))
    case.write({**SUITE, "test_e.py": WAITS})
    assert "test_e.py::test_is_alone" in assert_collected_like_pytest(case)
    status = case.status()
    assert status is not None
    assert {one.parent for one in checkpoints(case)} == {status["daemon"]["pid"]}
    edit(case, "test_d.py", "def test_d(): pass\ndef test_e(): pass\n")
    assert_collected_like_pytest(case)
    assert f"goes on before {case.project}/test_d.py" in log(case)
    assert asked.exists() == (kernel == "forks children only")


BURN = "import time\nend = time.process_time() + 0.1\nwhile time.process_time() < end: pass\n"


@pytest.mark.parametrize(
    "name, before, texts",
    [
        ("test_d.py", "{project}/test_d.py", ["def test_d(): pass\ndef test_%d(): pass\n" % number for number in (1, 2, 3)]),
        ("sub/conftest.py", "{project}/sub", ["NAMES = [%d]\n" % number for number in (1, 2, 3)]),
        ("late/part.py", "late.part", ["NUMBERS = [%d]\n" % number for number in (1, 2, 3)]),
    ],
)
def test_what_is_edited_often_has_a_checkpoint_of_its_own(suite: Case, name: str, before: str, texts: list[str]) -> None:
    suite.env["PFAST_CHECKPOINT_GAP_MS"] = "1000000"  # none for the time that was spent
    suite.write({"conftest.py": BURN, "late/__init__.py": BURN, "late/part.py": "NUMBERS = [0]\n", "test_e.py": "from late import part\ndef test_e(): pass\n"})
    edit(suite, "test_c.py", BURN + "import pytest\nfrom late.part import NUMBERS\n@pytest.mark.parametrize('n', NUMBERS)\ndef test_n(n): pass\n")
    assert_collected_like_pytest(suite)
    assert not checkpoints(suite)
    for text in texts[:2]:
        edit(suite, name, text)
        assert_collected_like_pytest(suite)
    assert f"goes on before {before.format(project=suite.project)} " in log(suite)
    assert before.format(project=suite.project) in [one["before"] for one in generation(suite)["checkpoints"]]
    edit(suite, name, texts[2])
    assert_collected_like_pytest(suite)


def test_a_broken_edit_has_pytests_text_and_the_mended_one_goes_on(suite: Case) -> None:
    before = assert_collected_like_pytest(suite)
    good = (suite.project / "test_d.py").read_text()
    for _ in range(3):
        edit(suite, "test_d.py", good + "def broken(:\n")
        expected, actual = suite.plain(oracle=False), suite.run()
        assert actual.code == expected.code == 2
        assert "SyntaxError" in actual.out
        edit(suite, "test_d.py", good)
        assert assert_collected_like_pytest(suite) == before


SIDE_EFFECTS = {
    "pytest.ini": "[pytest]\n",
    "registry.py": "NAMES = []\nCOUNT = 0\nclass Base: pass\n",
    "test_0.py": "import registry\nregistry.NAMES.append('zero')\ndef test_zero(): pass\n",
    "test_z.py": """
        import pytest, registry

        @pytest.mark.parametrize("name", [*registry.NAMES, str(registry.COUNT), str(len(registry.Base.__subclasses__()))])
        def test_names(name):
            pass
        """,
}


def test_a_module_with_side_effects_is_always_as_after_a_cold_start(case: Case) -> None:
    case.env.update(EVERYWHERE)
    case.write(SIDE_EFFECTS)
    for number in range(10):
        lines = "import registry, json\n" + f"registry.NAMES.append('n{number}')\nregistry.COUNT += 1\njson.extra_{number} = 1\n"
        lines += "class Model(registry.Base): pass\n" + f"def test_{number}(): assert registry.COUNT == 1 and len([n for n in dir(json) if n.startswith('extra_')]) == 1\n"
        edit(case, "test_m.py", lines)
        assert_collected_like_pytest(case)
        case.same("test_m.py")
    assert "goes on before" in log(case)


def test_a_killed_checkpoint_costs_speed_only(suite: Case) -> None:
    assert_collected_like_pytest(suite)
    killed = checkpoints(suite)
    assert killed
    for process in killed:
        os.kill(process.pid, signal.SIGKILL)
    edit(suite, "test_d.py", "def test_d(): pass\ndef test_e(): pass\n")
    assert_collected_like_pytest(suite)


def test_a_stopped_checkpoint_costs_speed_only(suite: Case) -> None:
    assert_collected_like_pytest(suite)
    for process in checkpoints(suite):
        os.kill(process.pid, signal.SIGSTOP)
    edit(suite, "test_d.py", "def test_d(): pass\ndef test_e(): pass\n")
    assert_collected_like_pytest(suite)
    assert "begins anew" in log(suite)


def test_checkpoints_end_with_their_forkserver(suite: Case) -> None:
    assert_collected_like_pytest(suite)
    assert checkpoints(suite)
    os.kill(generation(suite)["pid"], signal.SIGKILL)
    assert wait_until(lambda: not checkpoints(suite), GRACE_S), checkpoints(suite)
    assert_collected_like_pytest(suite)


def test_checkpoints_end_with_their_daemon(suite: Case) -> None:
    assert_collected_like_pytest(suite)
    assert checkpoints(suite)
    os.kill(suite.daemon_pid(), signal.SIGKILL)
    assert wait_until(lambda: not suite.processes(), GRACE_S), suite.processes()
    assert_collected_like_pytest(suite)


def test_no_more_than_so_many_are_kept(suite: Case) -> None:
    suite.write({f"test_more_{number:02}.py": "def test_it(): pass\n" for number in range(20)})
    assert_collected_like_pytest(suite)
    assert len(checkpoints(suite)) == 12
    told = generation(suite)["checkpoints"]
    assert {one["pid"] for one in told} == {process.pid for process in checkpoints(suite)}
    assert all(one["pss_bytes"] > 0 for one in told)
    assert f"  12 checkpoints · " in suite.pfast("status").out and f"before {told[-1]['before']}\n" in suite.pfast("status").out


@pytest.mark.parametrize(
    "line, reason",
    [
        ("import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()", "1 more thread was alive"),
        ("import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()", "a socket was open"),
        ("import select; p = select.epoll()", "a descriptor was open that cannot be shared"),
        ("import signal; signal.signal(signal.SIGCHLD, lambda *a: None)", "the suite had set what happens on SIGCHLD"),
        ("import mmap; m = mmap.mmap(-1, 4096)", "shared memory was mapped"),
    ],
)
def test_where_a_copy_would_not_be_safe_there_is_none(suite: Case, line: str, reason: str) -> None:
    edit(suite, "conftest.py", line + "\nimport shop\n")
    assert_collected_like_pytest(suite)
    edit(suite, "test_d.py", "def test_d(): pass\ndef test_e(): pass\n")
    assert_collected_like_pytest(suite)
    assert "goes on before" not in log(suite).replace(f"goes on before {suite.project}/conftest.py", "")
    assert reason in suite.pfast("doctor").out
    edit(suite, "conftest.py", line + "\nimport shop\n\n")
    assert f"boot: checkpoints are missing: {reason}" in suite.pfast("run", "--verbose-plan").err


def test_without_checkpoints_there_are_none(suite: Case) -> None:
    suite.env["PFAST_CHECKPOINTS"] = "0"
    assert_collected_like_pytest(suite)
    assert not checkpoints(suite)
    edit(suite, "test_d.py", "def test_d(): pass\ndef test_e(): pass\n")
    assert_collected_like_pytest(suite)
    assert "goes on before" not in log(suite)


def test_random_edits(case: Case) -> None:
    """As test/soak/checkpoint_edits.py, which makes a thousand of them."""
    case.env.update(EVERYWHERE)
    project = Project(case.project, seed=7)
    resumed = 0
    for number in range(int(os.environ.get("PFAST_TEST_EDITS", "60"))):
        what = project.edit()
        expected = case.plain()
        actual, collected = run_in_order(case)
        assert (actual.code, actual.outcomes) == (expected.code, expected.outcomes), (number, what, expected, actual)
        assert collected == list(expected.outcomes), (number, what)
        resumed += "goes on before" in log(case)
    assert resumed
