"""A database for each worker, as pytest-django and SQLAlchemy's suite have it: the suite is not changed for pfast."""

from __future__ import annotations

import json

import pytest
from harness import Case
from plugin_environment import django_environment

DJANGO_PROJECT = {
    "pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = shop.settings\npythonpath = .\n",
    "shop/__init__.py": "",
    "shop/settings.py": """
        import pathlib

        ROOT = pathlib.Path(__file__).parent.parent
        SECRET_KEY = "x"
        INSTALLED_APPS = ["shop"]
        DATABASES = {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": ROOT / "live.sqlite3",
                "TEST": {"NAME": str(ROOT / "databases" / "test.sqlite3")},
            }
        }
        DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    """,
    "shop/models.py": """
        from django.db import models

        class Order(models.Model):
            number = models.IntegerField(unique=True)
    """,
    "databases/.keep": "",
    "test_orders.py": """
        import pytest
        from django.db import connection
        from shop.models import Order

        pytestmark = pytest.mark.django_db

        @pytest.mark.parametrize("n", range(12))
        def test_order(n, request):
            worker = getattr(request.config, "workerinput", {}).get("workerid")
            name = connection.settings_dict["NAME"]
            assert str(name).endswith(f"test.sqlite3_{worker}" if worker else "test.sqlite3"), name
            assert Order.objects.count() == 0
            Order.objects.create(number=7)

        @pytest.mark.django_db(transaction=True)
        @pytest.mark.parametrize("n", range(4))
        def test_committed(n):
            Order.objects.create(number=7)
            assert Order.objects.count() == 1
    """,
}


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_django_has_a_database_for_each_worker(case: Case, method: str) -> None:
    case.use_environment(django_environment())
    case.write(DJANGO_PROJECT)
    expected = case.plain()
    assert expected.code == 0, expected
    for workers in ("2", "1"):
        actual = case.run("-n", workers, "--dist", "load", "--start-method", method)
        case.assert_same(expected, actual)
    case.assert_same(case.plain("test_orders.py::test_order[3]"), case.run("test_orders.py::test_order[3]"))
    case.assert_same(expected, case.run("-n", "0"))
    # Created and removed by whoever used it.
    assert not [path.name for path in (case.project / "databases").iterdir() if path.name != ".keep"]


#: The controller makes a database for each node and drops it; a worker knows its own when it is configured.
FOLLOWERS = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
        import json, pathlib, sqlite3, uuid
        import pytest

        HERE = pathlib.Path(__file__).parent
        ident = None

        def path_of(ident):
            return HERE / f"{ident}.db"

        def create(ident):
            with sqlite3.connect(path_of(ident)) as database:
                database.execute("create table numbers (n integer unique)")

        class Nodes:
            @pytest.hookimpl(optionalhook=True)
            def pytest_configure_node(self, node):
                node.workerinput["follower_ident"] = "test_" + uuid.uuid4().hex[0:12]
                create(node.workerinput["follower_ident"])

            @pytest.hookimpl(optionalhook=True)
            def pytest_testnodedown(self, node, error):
                path_of(node.workerinput["follower_ident"]).unlink()
                with (HERE / "down").open("a") as file:
                    file.write(json.dumps([node.gateway.id, bool(error), node.workeroutput.get("rows")]) + "\\n")

        def pytest_configure(config):
            global ident
            if hasattr(config, "workerinput"):
                ident = config.workerinput["follower_ident"]
            else:
                ident = "main"
                config.pluginmanager.register(Nodes())

        def pytest_sessionstart(session):
            assert ident == "main" or path_of(ident).exists()

        def pytest_sessionfinish(session):
            if hasattr(session.config, "workeroutput"):
                with sqlite3.connect(path_of(ident)) as database:
                    session.config.workeroutput["rows"] = database.execute("select count(*) from numbers").fetchone()[0]

        @pytest.fixture
        def database():
            with sqlite3.connect(path_of(ident)) as database:
                yield database
    """,
    "test_numbers.py": """
        import os, pathlib
        import pytest

        @pytest.mark.parametrize("n", range(6))
        def test_insert(n, database, request):
            database.execute("insert into numbers values (?)", (n,))
            if request.config.getoption("numprocesses", None) is None and "PYTEST_XDIST_WORKER" in os.environ:
                assert not pathlib.Path(database.execute("pragma database_list").fetchone()[2]).name.startswith("main")
    """,
}

#: The same without looking at config.workerinput before a test asks.
LAZY = {
    **FOLLOWERS,
    "conftest.py": """
        import json, pathlib, sqlite3, uuid
        import pytest

        HERE = pathlib.Path(__file__).parent

        def pytest_configure_node(node):
            node.workerinput["follower_ident"] = "test_" + uuid.uuid4().hex[0:12]

        def pytest_testnodedown(node, error):
            (HERE / f"{node.workerinput['follower_ident']}.db").unlink(missing_ok=True)
            with (HERE / "down").open("a") as file:
                file.write(json.dumps([node.gateway.id, bool(error), node.workeroutput.get("rows")]) + "\\n")

        @pytest.fixture(scope="session")
        def database(pytestconfig):
            ident = pytestconfig.workerinput["follower_ident"]
            with sqlite3.connect(HERE / f"{ident}.db") as database:
                database.execute("create table numbers (n integer unique)")
                yield database
                pytestconfig.workeroutput["rows"] = database.execute("select count(*) from numbers").fetchone()[0]
    """,
}


def nodes_down(case: Case) -> list[list[object]]:
    path = case.project / "down"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(lines)


@pytest.mark.parametrize("suite", [FOLLOWERS, LAZY], ids=["when configured", "when asked"])
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_database_that_the_controller_makes_for_each_node(case: Case, suite: dict[str, str], method: str) -> None:
    case.write(suite)
    for options in (["-n", "2", "--dist", "load"], ["-n", "1"], ["-n", "2", "--dist", "load", "--reporter", "pytest"]):
        done = case.run(*options, "--start-method", method)
        assert done.code == 0, str(done)
        assert len(done.outcomes) == 6
        down = nodes_down(case)
        assert [name for name, _, _ in down] == (["gw0", "gw1"] if "2" in options else ["gw0"])
        assert sum(rows or 0 for _, _, rows in down) == 6  # a worker may have come too late for any
        assert not any(error for _, error, _ in down)
        assert not list(case.project.glob("*.db"))
    single = case.run("test_numbers.py::test_insert[2]", "--start-method", method)
    assert single.code == 0, single
    assert [name for name, _, _ in nodes_down(case)] == ["gw0"]


def test_a_lost_workers_node_is_down_with_an_error(case: Case) -> None:
    crash = "\n\n        def test_crashes():\n            os._exit(1)\n\n        def test_after(database):\n            pass\n"
    case.write({**LAZY, "test_numbers.py": FOLLOWERS["test_numbers.py"].rstrip() + crash})
    done = case.run("-n", "1")
    assert done.code == 1
    assert [(name, error) for name, error, _ in nodes_down(case)] == [("gw0", False), ("gw0", True)]


def test_worker_input_that_is_no_plain_value_is_named(case: Case) -> None:
    case.write(
        {
            "pytest.ini": "[pytest]\n",
            "conftest.py": "def pytest_configure_node(node):\n    node.workerinput['lock'] = object()\n",
            "test_any.py": "def test_one():\n    pass\n\ndef test_two():\n    pass\n",
        }
    )
    done = case.run("-n", "2", "--start-method", "spawn")
    assert done.code not in (0, 5)
    assert "node.workerinput['lock'] is no plain value" in done.out + done.err
    case.assert_runs_are_over()
    assert case.run("-n", "2").code == 0
