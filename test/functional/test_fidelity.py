"""What forking from a warm process could break, row by row; the oracle is plain pytest."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from harness import Case, Finished

INI = {"pytest.ini": "[pytest]\n"}
INLINE = ["-n", "0"]
WORKERS = ["-n", "2"]


def facts(case: Case, folder: str) -> list[dict[str, Any]]:
    """What the tests of a run wrote down, in no order."""
    return [json.loads(path.read_text()) for path in sorted((case.project / folder).glob("*.json"))]


def facts_of(case: Case, run: Any, *args: str, **more: Any) -> list[dict[str, Any]]:
    """The facts of one run, started by case.plain or case.run."""
    name = f"facts-{len(list(case.project.glob('facts-*')))}"
    (case.project / name).mkdir()
    env = {**more.pop("env", {}), "FACTS": str(case.project / name)}
    done: Finished = run(*args, env=env, **more)
    assert done.code == 0, done
    found = facts(case, name)
    assert found, done
    return found


#: conftest of suites that write facts down; ignored by collection.
RECORD = """
    import json, os, pathlib, pytest
    collect_ignore_glob = ["facts-*"]

    @pytest.fixture
    def record(request):
        def write(**facts):
            name = f"{request.node.name}.{os.getpid()}".replace("/", "_")
            pathlib.Path(os.environ["FACTS"], name + ".json").write_text(json.dumps(facts, default=repr))
        return write
"""

PROBE = {
    **INI,
    "conftest.py": RECORD,
    "test_probe.py": """
        import faulthandler, gc, locale, logging, multiprocessing, os, resource, signal, sys, threading, time, warnings

        def test_probe(record, request):
            umask = os.umask(0)
            os.umask(umask)
            main = sys.modules["__main__"]
            record(
                cwd=os.getcwd(),
                umask=umask,
                argv=sys.argv,
                executable=os.path.dirname(sys.executable),  # "python" or "python3" depends on how the script was installed
                prefix=[sys.prefix, sys.base_prefix, sys.exec_prefix],
                flags=repr(sys.flags),
                path=sys.path,
                main_file=main.__file__,
                main_name=main.__name__,
                current_test=os.environ["PYTEST_CURRENT_TEST"],
                pytest_version=os.environ.get("PYTEST_VERSION"),
                invocation=[str(request.config.invocation_params.dir), list(request.config.invocation_params.args)],
                rootdir=str(request.config.rootpath),
                encodings=[sys.getfilesystemencoding(), locale.getpreferredencoding(), sys.getdefaultencoding()],
                streams=[type(sys.stdout).__name__, type(sys.stderr).__name__, type(sys.stdin).__name__, sys.stdout.encoding],
                original_streams=[sys.__stdout__.encoding, sys.__stdout__.errors, sys.__stdin__ is not None],
                warning_filters=[repr(one) for one in warnings.filters],
                root_handlers=[type(one).__name__ for one in logging.getLogger().handlers],
                log_level=logging.getLogger().level,
                signals={str(number): repr(signal.getsignal(number)) for number in signal.valid_signals()},
                faulthandler=faulthandler.is_enabled(),
                finders=[getattr(one, "__name__", type(one).__name__) for one in sys.meta_path],
                path_hooks=len(sys.path_hooks),
                excepthook=repr(sys.excepthook),
                trace=[repr(sys.gettrace()), repr(sys.getprofile())],
                process_name=multiprocessing.current_process().name,
                thread=threading.current_thread().name,
                threads=threading.active_count(),
                start_method=multiprocessing.get_start_method(allow_none=True),
                recursion_limit=sys.getrecursionlimit(),
                switch_interval=sys.getswitchinterval(),
                gc=[gc.isenabled(), gc.get_threshold()],
                limits=[resource.getrlimit(one) for one in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_STACK)],
                priority=os.getpriority(os.PRIO_PROCESS, 0),
                timezone=time.tzname,
                session_items=len(request.session.items),
                breakpoint_hook=sys.breakpointhook.__module__,
                displayhook=repr(sys.displayhook),
                environment=sorted(os.environ),
                plugins=sorted(str(name) for name, _ in request.config.pluginmanager.list_name_plugin() if not str(name).isdigit()),
            )
    """,
}

#: Ours by design: worker identity is on by default, as it is under xdist.
WORKER_VARIABLES = {"PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"}
#: The shell's; plain pytest is started through its script.
LAUNCH = {"_"}


@pytest.mark.parametrize("options", [INLINE, ["-n", "1"], [*WORKERS, "--reporter", "pytest"]], ids=" ".join)
def test_a_test_finds_the_process_that_pytest_gives_it(case: Case, options: list[str]) -> None:
    case.write({**PROBE, "test_second.py": "def test_second(): pass\n", "bin/readme": ""})
    (expected,) = facts_of(case, lambda *a, **k: bare(case, *a, **k), "-q", "test_probe.py", "test_second.py")
    for state in ("cold", "warm"):
        (actual,) = facts_of(case, case.run, *options, "-q", "test_probe.py", "test_second.py")
        actual["environment"] = sorted(set(actual["environment"]) - WORKER_VARIABLES - LAUNCH)
        expected["environment"] = sorted(set(expected["environment"]) - LAUNCH)
        ours = {name for name in actual["plugins"] if "pfast" in name}
        actual["plugins"] = [name for name in actual["plugins"] if name not in ours]
        different = [
            f"{key}: pytest {expected[key]}, pfast {actual.get(key)}" for key in expected if expected[key] != actual.get(key)
        ]
        assert not different, "\n".join([state, *different])


def bare(case: Case, *args: str, **more: Any) -> Finished:
    """Plain pytest with these arguments and no other."""
    return case.plain(*args, oracle=False, own_cache=False, **more)


def test_cwd_umask_and_environment_are_the_clients(case: Case) -> None:
    case.write(
        {
            **INI,
            "conftest.py": RECORD,
            "sub/readme": "",
            "test_client.py": """
                import os, subprocess

                def test_client(record):
                    umask = os.umask(0)
                    os.umask(umask)
                    shell = subprocess.run(["sh", "-c", "echo $MY_VARIABLE; pwd; umask"], capture_output=True).stdout
                    record(cwd=os.getcwd(), umask=umask, variable=os.environ.get("MY_VARIABLE"), shell=shell.hex(),
                           raw=os.environb.get(b"MY_VARIABLE", b"").hex(), home=os.path.expanduser("~"))
            """,
        }
    )
    case.run()
    daemon = case.daemon_pid()
    for cwd, umask, env in [
        ("", 0o022, {}),
        ("sub", 0o077, {"MY_VARIABLE": "a b"}),
        ("", 0o002, {"MY_VARIABLE": "\udcff\u00e9", "HOME": "/nowhere"}),
    ]:
        target = "../test_client.py" if cwd else "test_client.py"
        expected = facts_of(case, case.plain, target, cwd=cwd, umask=umask, env=env)
        for options in (INLINE, ["-n", "1"]):
            actual = facts_of(case, lambda *a, **k: case.pfast("run", *a, **k), *options, target, cwd=cwd, umask=umask, env=env)
            assert actual == expected
    assert case.daemon_pid() == daemon


def test_output_lands_in_its_own_tests_report(case: Case) -> None:
    case.write(
        {
            **INI,
            "test_prints.py": """
                import os, sys, pytest

                @pytest.mark.parametrize("n", range(60))
                def test_prints(n):
                    for line in range(20):
                        print(f"out {n} {line}")
                        print(f"err {n} {line}", file=sys.stderr)
                        os.write(1, f"raw {n} {line}\\n".encode())
                    if n == 7:
                        os.system("echo from a child")
                    assert 0
            """,
        }
    )
    case.plain("--junitxml=plain.xml", "-o", "junit_logging=all")
    expected = outputs(case.project / "plain.xml")
    assert len(expected) == 60 and all(expected.values())
    for options in (["-n", "4"], ["-n", "4", "--reporter", "pytest"]):
        case.run(*options, "--junitxml=pfast.xml", "-o", "junit_logging=all")
        assert outputs(case.project / "pfast.xml") == expected
        case.run(*options, "-o", "junit_logging=all", "--junitxml=pfast.xml")
        assert outputs(case.project / "pfast.xml") == expected


def outputs(path: Path) -> dict[str, list[str | None]]:
    return {
        one.get("name", ""): [child.text for child in one if child.tag.startswith("system-")]
        for one in ElementTree.parse(path).iter("testcase")
    }


RANDOM = {
    **INI,
    "conftest.py": RECORD,
    "test_random.py": """
        import random, uuid, tempfile, pytest
        OWN = random.Random()

        @pytest.mark.parametrize("n", range(8))
        def test_random(n, record):
            record(module=random.random(), own=OWN.random(), uuid=str(uuid.uuid4()), name=next(tempfile._get_candidate_names()))
    """,
}


def test_random_numbers_differ_between_workers_and_runs(case: Case) -> None:
    case.write(RANDOM)
    found = [fact for _ in range(2) for fact in facts_of(case, case.run, *WORKERS)]
    assert len(found) == 16
    for key in ("module", "own", "uuid", "name"):
        assert len({fact[key] for fact in found}) == 16, key


def test_a_seed_that_the_suite_sets_is_kept(case: Case) -> None:
    case.write(
        {
            **INI,
            "conftest.py": RECORD,
            "test_seeded.py": """
                import random
                random.seed(7)
                OWN = random.Random(8)

                def test_seeded(record):
                    record(module=random.random(), own=OWN.random())
            """,
        }
    )
    expected = facts_of(case, case.plain)
    for options in (INLINE, ["-n", "1"], INLINE):
        assert facts_of(case, case.run, *options) == expected


def test_module_fixtures_are_set_up_once(case: Case) -> None:
    case.write({**INI, "conftest.py": "import os\n"})
    for number in range(6):
        case.write(
            {
                f"test_module_{number}.py": """
                    import os, pathlib, pytest

                    @pytest.fixture(scope="module")
                    def costly():
                        with open(os.environ["SETUPS"], "a") as file:
                            file.write(f"{__name__}\\n")

                    @pytest.mark.parametrize("n", range(4))
                    def test_uses(costly, n):
                        pass
                """
            }
        )
    log = case.home / "setups"
    case.plain(env={"SETUPS": str(log)})
    expected = sorted(log.read_text().split())
    for workers in ("1", "2", "4"):
        log.unlink()
        assert case.run("-n", workers, env={"SETUPS": str(log)}).code == 0
        assert sorted(log.read_text().split()) == expected


def test_teardown_knows_the_next_test(case: Case) -> None:
    """With one worker, fixtures of every scope are set up and torn down in pytest's own order."""
    case.write(
        {
            **INI,
            "conftest.py": """
                import os, pytest

                def note(text):
                    with open(os.environ["ORDER"], "a") as file:
                        file.write(text + "\\n")

                def make(scope):
                    @pytest.fixture(scope=scope, autouse=True, name=f"of_{scope}")
                    def fixture(request):
                        note(f"+ {scope} {request.node.name}")
                        yield
                        note(f"- {scope}")
                    return fixture

                of_session, of_package, of_module, of_class, of_function = map(
                    make, ["session", "package", "module", "class", "function"]
                )
            """,
            "pkg/__init__.py": "",
            "pkg/test_a.py": "class TestA:\n    def test_1(self): pass\n    def test_2(self): assert 0\nclass TestB:\n    def test_3(self): pass\n",
            "pkg/test_b.py": "def test_4(): pass\n",
            "test_c.py": "def test_5(): pass\ndef test_6(): pass\n",
        }
    )
    log = case.home / "order"
    case.plain(env={"ORDER": str(log)})
    expected = log.read_text()
    for options in (INLINE, ["-n", "1"], INLINE, ["-n", "1", "-x"]):
        log.unlink()
        case.run(*options, env={"ORDER": str(log)})
        if "-x" not in options:
            assert log.read_text() == expected
        else:
            lines = log.read_text().splitlines()
            assert len([line for line in lines if line[0] == "+"]) == len([line for line in lines if line[0] == "-"])


def test_tmp_paths(case: Case) -> None:
    case.write(
        {
            **INI,
            "conftest.py": RECORD,
            "test_tmp.py": """
                import pytest

                @pytest.mark.parametrize("n", range(4))
                def test_tmp(n, tmp_path, tmp_path_factory, record):
                    (tmp_path / "file").touch()
                    record(path=str(tmp_path), made=str(tmp_path_factory.mktemp("made")), mode=oct(tmp_path.stat().st_mode))
            """,
        }
    )
    base = case.home / "t"
    (expected, *_) = facts_of(case, case.plain)
    inline = facts_of(case, case.run, *INLINE)
    assert inline[0]["mode"] == expected["mode"]
    assert Path(inline[0]["path"]).name == Path(expected["path"]).name
    assert Path(inline[0]["path"]).parent.parent == Path(expected["path"]).parent.parent
    for _ in range(6):
        found = facts_of(case, case.run, *WORKERS)
        bases = {Path(fact["path"]).parent for fact in found}
        assert {path.name.rpartition("-")[2][:2] for path in bases} == {"gw"}
        assert len({path.parent for path in bases}) == 1, "one numbered folder for a run"
        assert len({fact["path"] for fact in found}) == 4
    assert {fact["mode"] for fact in found} == {expected["mode"]}
    # pytest keeps three of them.
    (user,) = base.iterdir()
    folders = [path for path in user.iterdir() if path.name.startswith("pytest-") and not path.is_symlink()]
    assert len(folders) <= 4, folders


def test_workers_have_an_identity(case: Case) -> None:
    case.write(
        {
            **INI,
            "conftest.py": RECORD,
            "test_identity.py": """
                import os, time, pytest

                @pytest.mark.parametrize("n", range(40))
                def test_identity(n, record, request):
                    time.sleep(0.02)
                    config = request.config
                    record(
                        name=os.environ.get("PYTEST_XDIST_WORKER"),
                        count=os.environ.get("PYTEST_XDIST_WORKER_COUNT"),
                        uid=os.environ.get("PYTEST_XDIST_TESTRUNUID"),
                        input=getattr(config, "workerinput", {}).get("workerid"),
                    )
            """,
        }
    )
    found = facts_of(case, case.run, *WORKERS)
    assert {fact["name"] for fact in found} == {"gw0", "gw1"}
    assert all(fact["name"] == fact["input"] for fact in found)
    assert {fact["count"] for fact in found} == {"2"}
    assert len({fact["uid"] for fact in found}) == 1
    plain = facts_of(case, case.plain)
    assert {fact["name"] for fact in plain} == {fact["name"] for fact in facts_of(case, case.run, *INLINE)}


@pytest.mark.parametrize("options", [INLINE, ["-n", "1"], ["-n", "2"]], ids=" ".join)
def test_the_session_finishes_where_tests_ran(case: Case, options: list[str]) -> None:
    case.write(
        {
            **INI,
            "conftest.py": """
                import os, pytest

                def note(text):
                    with open(os.environ["ENDS"], "a") as file:
                        file.write(f"{text} {os.environ.get('PYTEST_XDIST_WORKER', 'main')}\\n")

                @pytest.fixture(scope="session", autouse=True)
                def session_long():
                    yield
                    note("torn down")

                def pytest_sessionfinish(session):
                    note("finished")
            """,
            "test_ends.py": "import time, pytest\n@pytest.mark.parametrize('n', range(20))\ndef test_a(n): time.sleep(0.02)\n",
        }
    )
    log = case.home / "ends"
    case.plain(env={"ENDS": str(log)})
    assert log.read_text().split() == "torn down main finished main".split()
    for _ in range(2):
        log.unlink()
        case.run(*options, env={"ENDS": str(log)})
        lines = log.read_text().splitlines()
        torn_down = {line.split()[-1] for line in lines if line.startswith("torn down")}
        finished = {line.split()[-1] for line in lines if line.startswith("finished")}
        assert torn_down and torn_down <= finished
        assert lines[-1] == "finished main"
        if options == INLINE:
            assert lines == ["torn down main", "finished main"]
