"""Several clients at once: one daemon, one collection, and each its own right verdict."""

from __future__ import annotations

import os

from harness import Case
from processes import wait_until
from suites_of_tests import GATED, SMALL

#: 200 rounds are what HACKING.md asks for before a release.
ROUNDS = int(os.environ.get("PFAST_TEST_ROUNDS", "2"))

COUNTED = {
    **SMALL,
    "conftest.py": """
        import os

        if "IMPORTS" in os.environ:
            with open(os.environ["IMPORTS"], "a") as file:
                file.write(f"{os.getpid()}\\n")
    """,
    "test_slow_import.py": "import time\ntime.sleep(0.3)\ndef test_s(): assert 0\n",
}


def test_twenty_clients_and_no_daemon(case: Case) -> None:
    case.write(COUNTED)
    expected = case.plain()
    log = case.home / "imports"
    env = {"IMPORTS": str(log)}
    for number in range(ROUNDS):
        clients = [case.start_pfast("run", "-n", "1", env=env) for _ in range(20)]
        for client in clients:
            case.assert_same(expected, client.finish())
        assert len(log.read_text().split()) == 1, f"more than one collection in round {number}"
        status = case.status()
        assert status is not None and len(status["generations"]) == 1
        daemons = {process.pid for process in case.processes() if str(case.pfast_path) in process.command}
        assert daemons == {status["daemon"]["pid"]}
        case.stop()
        assert wait_until(lambda: not case.processes(), 10)
        log.unlink()


def test_clients_with_other_arguments(case: Case) -> None:
    case.write(COUNTED)
    case.run()
    arguments = [["-k", "number"], ["test_slow_import.py"], [], ["-p", "no:doctest"], ["--co"]]
    expected = [case.plain(*args) for args in arguments]
    clients = [case.start_pfast("run", "-n", "1", *args) for args in arguments]
    for one, client in zip(expected, clients):
        case.assert_same(one, client.finish())


def test_a_run_does_not_wait_for_another(case: Case) -> None:
    case.write({**GATED, "test_free.py": "def test_free(): pass\n"})
    first = case.start_pfast("run", "-n", "1", "test_gated.py")
    assert wait_until(lambda: list((case.project / "gate").glob("first.*")), 60)
    case.same("test_free.py")
    status = case.status()
    assert status is not None and len(status["runs"]) == 1
    (run,) = status["runs"]
    assert run["total"] == 4
    assert [worker["nodeid"] for worker in run["workers"]] == ["test_gated.py::test_waits"]
    (case.project / "gate" / "open").touch()
    assert first.finish().code == 0
    status = case.status()
    assert status is not None and status["runs"] == []


def test_list_stop_and_start_again(case: Case) -> None:
    case.write(SMALL)
    case.run()
    daemon = case.daemon_pid()
    listed = case.pfast("list")
    assert listed.code == 0 and str(case.project) in listed.out
    assert case.stop().code == 0
    assert wait_until(lambda: not case.processes(), 5)
    assert case.pfast("status").code == 71
    case.same()
    assert case.daemon_pid() != daemon


def test_serve_in_the_foreground(case: Case) -> None:
    case.write(SMALL)
    server = case.start_pfast("serve", "--foreground")
    assert wait_until(lambda: case.pfast("status").code == 0, 30), server.err
    assert case.daemon_pid() == server.process.pid
    case.same()
    assert case.daemon_pid() == server.process.pid
    assert case.stop().code == 0
    assert server.finish(30).code == 0


def test_logs(case: Case) -> None:
    case.write(SMALL)
    case.run()
    done = case.pfast("logs")
    assert done.code == 0 and done.out.strip()
