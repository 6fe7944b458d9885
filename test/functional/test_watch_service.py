"""pfast-watch: what changes is collected before anybody asks for a run."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
import watching
from harness import Case
from processes import alive, wait_until
from watching import await_ready, boot_ms, boots, edit, newest

SUITE = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": "import helper\n",
    "helper.py": "VALUE = 1\n",
    "test_a.py": "import helper\n\ndef test_a():\n    assert helper.VALUE\n",
    "sub/test_b.py": "def test_b(): pass\n",
}


@pytest.fixture
def warm(case: Case) -> Case:
    case.write(SUITE)
    assert case.pfast("refresh").code == 0
    return case


def log(case: Case) -> str:
    (path,) = case.runtime.glob("*.watcher.log")
    return path.read_text()


def test_a_save_is_collected_before_the_run(warm: Case) -> None:
    with watching.watching(warm):
        before = newest(warm)
        (warm.project / "test_a.py").write_text("def test_a(): assert 0\n")
        await_ready(warm, before)
        done = warm.run()
        assert done.outcomes == {"test_a.py::test_a": "failed", "sub/test_b.py::test_b": "passed"}
        assert boot_ms(done.out) == 0
        assert boots(warm) == 2


def test_a_burst_of_saves_is_one_boot(warm: Case) -> None:
    with watching.watching(warm, env={"PYTEST_FAST_WATCH_DEBOUNCE": "0.7"}):
        before = newest(warm)
        for number in range(5):
            edit(warm.project / "helper.py", f"OTHER = {number}\n")
            edit(warm.project / "test_a.py")
        await_ready(warm, before)
        assert boot_ms(warm.run().out) == 0
        assert boots(warm) == 2


def test_what_is_no_change_boots_nothing(warm: Case) -> None:
    file = warm.project / "test_a.py"
    good = file.read_text()
    with watching.watching(warm) as watcher:
        os.utime(file)
        file.chmod(0o600)
        file.chmod(0o644)
        (warm.project / ".test_a.py.swp").write_text("swap")
        (warm.project / "4913").write_text("")
        (warm.project / "4913").unlink()
        (warm.project / "test_a.py~").write_text(good)
        watching.replace(file, good)  # there and back, as git checkout does it
        (warm.project / "__pycache__" / "other.pyc").write_text("")
        # What comes behind it is seen, so all of that was.
        before = newest(warm)
        edit(file)
        await_ready(warm, before)
        assert boots(warm) == 2, watcher.err


def test_a_broken_edit_is_reported_and_the_good_generation_is_kept(warm: Case) -> None:
    file = warm.project / "test_a.py"
    good = file.read_text()
    with watching.watching(warm) as watcher:
        file.write_text("def test_a(:\n")
        assert wait_until(lambda: "a run will show them" in watcher.err, watching.PATIENCE_S), watcher.err
        assert "ERROR collecting test_a.py" in watcher.err and "SyntaxError" in watcher.err
        assert "stale" in {one["state"] for one in watching.generations(warm)}
        done = warm.run()
        assert done.code == 2 and "SyntaxError" in done.out, done
        assert boot_ms(done.out) == 0
        file.write_text(good)
        assert wait_until(lambda: watching.is_ready(warm), watching.PATIENCE_S), watching.generations(warm)
        done = warm.run()
        assert done.code == 0 and boot_ms(done.out) == 0, done
        assert boots(warm) == 2, "the mended suite was there already"


def test_a_conftest_that_fails_is_tried_once_and_again_when_it_is_edited(warm: Case) -> None:
    conftest, other = warm.project / "conftest.py", warm.project / "only_here.py"
    with watching.watching(warm) as watcher:
        other.write_text("raise RuntimeError('not today')\n")
        conftest.write_text("import only_here\n")
        assert wait_until(lambda: "counts as stale" in watcher.err, watching.PATIENCE_S), watcher.err
        assert "not today" in watcher.err
        done = warm.run()
        assert done.code == 4 and "not today" in done.err + done.out, done
        tried = boots(warm)
        os.utime(conftest)
        os.utime(other)
        # The generation that is kept has never heard of this file.
        before = newest(warm)
        other.write_text("VALUE = 1\n")
        await_ready(warm, before)
        assert boots(warm) == tried + 1
        assert boot_ms(warm.run().out) == 0


def test_a_first_boot_that_failed_is_tried_again_when_it_is_mended(case: Case) -> None:
    case.write({**SUITE, "conftest.py": "import nothing_of_that_name\n"})
    assert case.pfast("refresh").code == 4
    with watching.watching(case):
        (case.project / "conftest.py").write_text("")
        await_ready(case, 0)
        done = case.run()
        assert done.code == 0 and boot_ms(done.out) == 0, done


def test_every_generation_is_made_again_and_none_is_added(warm: Case) -> None:
    assert warm.run("-W", "error", "test_a.py").code == 0
    assert len(watching.generations(warm)) == 2
    with watching.watching(warm):
        before = boots(warm)
        edit(warm.project / "helper.py")
        assert wait_until(lambda: boots(warm) == before + 2 and watching.is_ready(warm), watching.PATIENCE_S)
        assert len(watching.generations(warm)) == 2
        assert boot_ms(warm.run().out) == 0
        assert boot_ms(warm.run("-W", "error", "test_a.py").out) == 0


def test_one_watcher_an_address(warm: Case) -> None:
    with watching.watching(warm):
        second = watching.start(warm).finish(30)
        assert (second.code, "another watcher already holds the lock" in second.err) == (0, True), second


def test_it_ends_three_seconds_after_its_daemon(warm: Case) -> None:
    watcher = watching.start(warm)
    assert wait_until(lambda: "watching for " in watcher.err, 30)
    assert warm.stop().code == 0
    done = watcher.finish(30)
    assert (done.code, "the daemon is gone" in done.err) == (0, True), done


def test_without_a_daemon_it_says_what_to_do(case: Case) -> None:
    case.write(SUITE)
    done = watching.start(case).finish(30)
    assert done.code == 71 and "pfast serve --with-watcher" in done.err, done


def test_a_daemon_that_takes_over_is_watched_for(warm: Case) -> None:
    with watching.watching(warm) as watcher:
        assert warm.pfast("restart").code == 0
        assert wait_until(lambda: watcher.err.count("watching for ") == 2, 30), watcher.err
        assert warm.run().code == 0
        before = newest(warm)
        edit(warm.project / "test_a.py")
        await_ready(warm, before)
        assert boot_ms(warm.run().out) == 0


def test_a_watcher_does_not_keep_its_daemon(case: Case) -> None:
    case.write(SUITE)
    assert case.pfast("serve", "--ttl", "2").code == 0
    daemon = case.daemon_pid()
    watcher = watching.start(case)
    assert wait_until(lambda: "watching for " in watcher.err, 30)
    assert wait_until(lambda: not alive(daemon), 30)
    assert watcher.finish(30).code == 0


class TestMoreFiles:
    """PYTEST_FAST_WATCH_DIRS and _FILES: what no collection is seen to read."""

    def test_they_are_added(self, warm: Case) -> None:
        warm.write({"data/deep/rates.py": "RATES = 1\n", "data/notes.txt": "", "schema.json": "{}\n"})
        env = {"PYTEST_FAST_WATCH_DIRS": "data", "PYTEST_FAST_WATCH_FILES": "schema.json:absent.cfg"}
        with watching.watching(warm, env=env) as watcher:
            for name, text in (("data/deep/rates.py", "RATES = 2\n"), ("schema.json", "[]\n"), ("absent.cfg", "x\n"), ("data/new/more.py", "")):
                before = newest(warm)
                warm.write({name: text})
                await_ready(warm, before)
                assert f"{name}\n" in watcher.err, watcher.err
            made = boots(warm)
            warm.write({"data/notes.txt": "no Python\n", "data/deep/rates.py": "RATES = 2\n"})
            before = newest(warm)
            edit(warm.project / "test_a.py")
            await_ready(warm, before)
            assert boots(warm) == made + 1

    def test_a_broken_suite_stays_stale(self, warm: Case) -> None:
        warm.write({"schema.json": "{}\n"})
        with watching.watching(warm, env={"PYTEST_FAST_WATCH_FILES": "schema.json"}) as watcher:
            before = newest(warm)
            warm.write({"schema.json": "[]\n"})
            await_ready(warm, before)
            assert "changed: schema.json" in watcher.err


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value", "text"),
        [
            ("POLL", "x", "could not convert string to float: 'x'"),
            ("DEBOUNCE", "", "could not convert string to float: ''"),
            ("POLL", "-1", "non-negative"),
            ("DEBOUNCE", "nan", "finite"),
        ],
    )
    def test_numbers_that_the_predecessor_does_not_take_are_errors(self, case: Case, name: str, value: str, text: str) -> None:
        variable = f"PYTEST_FAST_WATCH_{name}"
        done = watching.start(case, env={variable: value}).finish(30)
        assert done.code == 76 and variable in done.err and text in done.err, done

    def test_an_argument_without_rerun_is_refused(self, case: Case) -> None:
        done = watching.start(case, "-x").finish(30)
        assert done.code == 79 and "'-x'" in done.err and "--rerun" in done.err, done


class TestWithWatcher:
    def test_serve_starts_both(self, case: Case) -> None:
        case.write(SUITE)
        done = case.pfast("serve", "--with-watcher", env={"PYTEST_FAST_WATCH_DEBOUNCE": "0.2"})
        assert done.code == 0 and "a watcher was started (log: " in done.err, done
        assert wait_until(lambda: "watching for " in log(case), 30), log(case)
        again = case.pfast("serve", "--with-watcher")
        assert again.code == 0 and "watcher" not in again.err, again
        before = newest(case)
        edit(case.project / "test_a.py")
        await_ready(case, before)
        assert boot_ms(case.run().out) == 0
        assert case.stop().code == 0
        assert wait_until(lambda: not case.processes(), 10), case.processes()
        assert "the daemon is gone" in log(case)

    def test_run_starts_one_for_its_daemon(self, case: Case) -> None:
        case.write(SUITE)
        done = case.run("--with-watcher", env={"PYTEST_FAST_WATCH_DEBOUNCE": "0.2"})
        assert done.code == 0 and len(done.outcomes) == 2, done
        assert wait_until(lambda: "watching for " in log(case), 30)
        refused = case.run("--with-watcher", "--no-daemon")
        assert refused.code == 79 and "--no-daemon" in refused.err, refused
        case.stop()
        assert wait_until(lambda: not case.processes(), 10)

    def test_in_the_foreground(self, case: Case) -> None:
        """As a service manager starts it: the watcher is the daemon's child, and no test's stray."""
        case.write(SUITE)
        daemon = case.start_pfast("serve", "--foreground", "--with-watcher", env={"PYTEST_FAST_WATCH_DEBOUNCE": "0.2"})
        assert wait_until(lambda: bool(list(case.runtime.glob("*.watcher.log"))) and "watching for " in log(case), 30)
        for _ in range(2):
            assert case.run().code == 0
        before = newest(case)
        edit(case.project / "test_a.py")
        await_ready(case, before)
        assert boot_ms(case.run().out) == 0
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.finish(30).code == 0
        assert wait_until(lambda: not case.processes(), 10)


def test_folders_that_come_and_go(warm: Case) -> None:
    with watching.watching(warm):
        before = newest(warm)
        warm.write({"more/below/test_c.py": "def test_c(): pass\n"})
        before = await_ready(warm, before)
        (warm.project / "more" / "below" / "test_c.py").write_text("def test_c(): assert 0\n")
        before = await_ready(warm, before)
        assert warm.run("more").outcomes == {"more/below/test_c.py::test_c": "failed"}
        os.rename(warm.project / "more", warm.project / "less")
        before = await_ready(warm, before)
        assert warm.run("less").outcomes == {"less/below/test_c.py::test_c": "failed"}
        shutil.rmtree(warm.project / "less")
        await_ready(warm, before)
        done = warm.run()
        assert len(done.outcomes) == 2 and boot_ms(done.out) == 0, done


def test_a_link_and_what_it_leads_to(case: Case) -> None:
    target = Path(case.home / "elsewhere.py")
    target.write_text("VALUE = 1\n")
    case.write({"pytest.ini": "[pytest]\n", "test_a.py": "import linked\ndef test_a(): assert linked.VALUE == 1\n"})
    (case.project / "linked.py").symlink_to(target)
    assert case.pfast("refresh").code == 0
    with watching.watching(case):
        before = newest(case)
        target.write_text("VALUE = 22\n")
        await_ready(case, before)
        done = case.run()
        assert done.code == 1 and boot_ms(done.out) == 0, done
