"""Fidelity to what tests do with processes, threads and the process that they run in; the oracle is plain pytest."""

from __future__ import annotations

import pytest
from harness import Case

INI = {"pytest.ini": "[pytest]\n"}
INLINE = ["-n", "0"]
WORKERS = ["-n", "2"]


def test_what_ends_with_the_process(case: Case) -> None:
    """Exit functions and finalizers run once, where they were made; modules that register once were imported with the suite."""
    case.write(
        {
            **INI,
            "test_ends.py": """
                import atexit, logging.handlers, multiprocessing.util, os, tempfile, weakref
                import pytest

                class Kept:
                    pass

                imported = tempfile.TemporaryDirectory(prefix="imported-", dir=".")
                kept = [imported]

                @pytest.mark.parametrize("n", range(4))
                def test_ends(n):
                    assert os.path.isdir(imported.name)
                    folder = tempfile.TemporaryDirectory(prefix="test-", dir=".")
                    target = logging.FileHandler(f"log-{n}.txt")
                    logging.getLogger(f"own-{n}").addHandler(logging.handlers.MemoryHandler(100, 100, target))
                    logging.getLogger(f"own-{n}").warning("remembered")
                    one = Kept()
                    weakref.finalize(one, print, "said", file=open(f"said-{n}.txt", "a"))
                    multiprocessing.util.get_temp_dir()
                    kept.extend([folder, one])
                    atexit.register(lambda: open("exits.txt", "a").write(f"{n}\\n"))
            """,
        }
    )

    def left() -> dict[str, object]:
        files = {path.name: path.read_text() for path in sorted(case.project.glob("*.txt"))}
        for path in case.project.glob("*.txt"):
            path.unlink()
        exits = sorted(files.pop("exits.txt", "").split())
        return {"files": files, "exits": exits, "folders": [path.name for path in case.project.glob("test-*")]}

    case.plain()
    expected = left()
    assert expected["exits"] == ["0", "1", "2", "3"] and len(expected["files"]) == 8 and not expected["folders"]
    for workers in ("0", "1", "2"):
        for _ in range(2):
            assert case.run("-n", workers).code == 0
            assert left() == expected


def test_a_thread_that_an_import_starts_is_named(case: Case) -> None:
    case.write(
        {
            **INI,
            "test_thread.py": """
                import threading
                event = threading.Event()
                threading.Thread(target=event.wait, name="background-of-the-suite", daemon=True).start()

                def test_a():
                    pass

                def test_b():
                    assert 0
            """,
        }
    )
    expected = case.plain()
    done = case.run("-n", "2")
    case.assert_same(expected, done)
    case.assert_same(expected, case.run("-n", "2"))
    assert "background-of-the-suite" in done.out + done.err + case.pfast("logs").out


def test_tests_that_fork(case: Case) -> None:
    case.write(
        {
            **INI,
            "test_forks.py": """
                import os, pytest, subprocess, sys

                def test_child_leaves():
                    pid = os.fork()
                    if pid == 0:
                        os._exit(3)
                    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3

                def test_pipe_from_a_child():
                    read, write = os.pipe()
                    if os.fork() == 0:
                        os.write(write, b"hello")
                        os._exit(0)
                    os.close(write)
                    assert os.read(read, 100) == b"hello"
                    os.wait()

                def test_no_children_but_ours():
                    with pytest.raises(ChildProcessError):
                        os.wait()

                def test_subprocess():
                    assert subprocess.run([sys.executable, "-c", "print(1 + 1)"], capture_output=True, text=True).stdout == "2\\n"
            """,
        }
    )
    for options in (INLINE, ["-n", "1"], WORKERS):
        case.same(options=options)


def test_a_child_that_returns_from_the_test(case: Case) -> None:
    """In plain pytest it goes on with the suite a second time; here it leaves, and every test runs once."""
    case.write(
        {
            **INI,
            "conftest.py": """
                import os

                def pytest_runtest_setup(item):
                    with open(os.environ["RUNS"], "a") as file:
                        file.write(item.name + "\\n")
            """,
            "test_returns.py": """
                import os

                def test_forks():
                    pid = os.fork()
                    if pid:
                        os.waitpid(pid, 0)

                def test_after():
                    pass

                def test_last():
                    pass
            """,
        }
    )
    log = case.home / "runs"
    for options in (["-n", "1"], WORKERS):
        log.unlink(missing_ok=True)
        done = case.run(*options, env={"RUNS": str(log)})
        assert done.code == 0
        assert sorted(log.read_text().split()) == ["test_after", "test_forks", "test_last"]


def test_multiprocessing(case: Case) -> None:
    case.write(
        {
            **INI,
            "work.py": "def double(n): return 2 * n\ndef put(queue): queue.put('from the child')\n",
            "test_multi.py": """
                import concurrent.futures, multiprocessing, pytest, work

                @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
                def test_pool(method):
                    with multiprocessing.get_context(method).Pool(2) as pool:
                        assert pool.map(work.double, range(4)) == [0, 2, 4, 6]

                @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
                def test_queue(method):
                    context = multiprocessing.get_context(method)
                    queue = context.Queue()
                    process = context.Process(target=work.put, args=(queue,))
                    process.start()
                    assert queue.get(timeout=60) == "from the child"
                    process.join(60)
                    assert process.exitcode == 0

                def test_executor():
                    with concurrent.futures.ProcessPoolExecutor(2) as pool:
                        assert list(pool.map(work.double, range(3))) == [0, 2, 4]

                def test_shared_memory():
                    from multiprocessing import shared_memory
                    block = shared_memory.SharedMemory(create=True, size=10)
                    block.close()
                    block.unlink()

                def test_main_process():
                    assert multiprocessing.current_process().name == "MainProcess"
                    assert not multiprocessing.current_process().daemon
                    assert multiprocessing.parent_process() is None
            """,
        }
    )
    expected = case.plain()
    for options in (INLINE, WORKERS, WORKERS):
        case.assert_same(expected, case.run(*options))


def test_asyncio_and_threads_in_tests(case: Case) -> None:
    case.write(
        {
            **INI,
            "test_async.py": """
                import asyncio, concurrent.futures, signal, socket, threading

                async def double(n):
                    await asyncio.sleep(0)
                    return 2 * n

                def test_asyncio():
                    assert asyncio.run(double(2)) == 4

                def test_child_of_asyncio():
                    async def run():
                        process = await asyncio.create_subprocess_exec("true")
                        return await process.wait()
                    assert asyncio.run(run()) == 0

                def test_threads():
                    with concurrent.futures.ThreadPoolExecutor(4) as pool:
                        assert sum(pool.map(lambda n: n, range(10))) == 45

                def test_alarm():
                    got = []
                    signal.signal(signal.SIGALRM, lambda *_: got.append(1))
                    signal.setitimer(signal.ITIMER_REAL, 0.01)
                    signal.sigwait([signal.SIGUSR2]) if False else threading.Event().wait(1)
                    assert got == [1]

                def test_sockets():
                    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
                        accepted, _ = server.accept()
                        accepted.sendall(b"x")
                        accepted.close()
                        assert client.recv(1) == b"x"
            """,
        }
    )
    expected = case.plain()
    for options in (INLINE, WORKERS):
        case.assert_same(expected, case.run(*options))


def test_what_a_test_changes_stays_in_its_run(case: Case) -> None:
    case.write(
        {
            **INI,
            "test_vandal.py": """
                import os, resource, signal, sys, builtins, tempfile

                def test_clean():
                    assert not hasattr(builtins, "vandalised")
                    assert "VANDAL" not in os.environ
                    assert os.path.isdir(os.getcwd())

                def test_changes_everything():
                    builtins.vandalised = True
                    os.environ["VANDAL"] = "1"
                    folder = tempfile.mkdtemp()
                    os.chdir(folder)
                    os.rmdir(folder)
                    os.umask(0)
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
                    sys.path.clear()
                    sys.stdout = None
            """,
        }
    )
    expected = case.plain()
    for options in (["-n", "1"], INLINE, ["-n", "1"]):
        done = case.run(*options)
        case.assert_same(expected, done)


@pytest.mark.parametrize("options", [["-n", "1"], WORKERS], ids=" ".join)
def test_a_test_that_closes_all_descriptors(case: Case, options: list[str]) -> None:
    case.write(
        {
            **INI,
            "test_closes.py": "import os\ndef test_closes(): os.closerange(3, 4096)\n",
            "test_other.py": "def test_other(): pass\ndef test_second(): assert 0\n",
        }
    )
    done = case.run(*options)
    # Its own link to us may be among them: then it is lost by name, never silently.
    assert done.code == 1
    assert done.outcomes.pop("test_closes.py::test_closes") in ("passed", "failed")
    assert done.outcomes == {"test_other.py::test_other": "passed", "test_other.py::test_second": "failed"}
