"""Workers as plugins see them from the controller: xdist's nodes, its hooks, and what goes to a worker and comes back."""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

import pytest

from . import coverage_data

#: Of plugins that ask for their input while they are configured: a fork of a configured session serves these as well.
_SERVED_BY_A_FORK = ("pytest_randomly", "pytest_rerunfailures", "pytest_cov", "xdist", "_pytest", "_pfast_exec")
_CONFIGURING = ("pytest_configure", "pytest_sessionstart")


class XdistHooks:
    """xdist's hook specifications that concern workers, for suites that have them where xdist is not installed."""

    @pytest.hookspec
    def pytest_configure_node(self, node: Any) -> None:
        """A worker is about to be started: fill node.workerinput."""

    @pytest.hookspec
    def pytest_testnodeready(self, node: Any) -> None:
        """A worker was started."""

    @pytest.hookspec
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """A worker has ended; error is None when it was through."""


def register_hooks(config: Any) -> None:
    if not config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.add_hookspecs(XdistHooks)


class Node:
    """What xdist's hooks and reports call a node, as far as plugins read it."""

    def __init__(self, config: Any, name: str, workers: int, uid: str) -> None:
        self.config = config
        self.gateway = SimpleNamespace(id=name, spec=SimpleNamespace(popen=True))
        self.workerinput: dict[str, Any] = {
            "workerid": name,
            "workercount": workers,
            "testrunuid": uid,
            "mainargv": list(sys.argv),
        }
        self.workeroutput: dict[str, Any] = {}
        self.workerinfo = {
            "id": name,
            "version": sys.version,
            "version_info": tuple(sys.version_info),
            "sysplatform": sys.platform,
            "platform": sys.platform,
            "executable": sys.executable,
            "cwd": os.getcwd(),
        }


class Nodes:
    """One node a worker; a worker that takes a lost one's place has the same name and a new node, as with xdist."""

    def __init__(self, config: Any, uid: str) -> None:
        self._config = config
        self._uid = uid
        self._nodes: dict[str, Node] = {}

    def configure(self, slot: int, workers: int) -> Node:
        node = self._nodes[f"gw{slot}"] = Node(self._config, f"gw{slot}", workers, self._uid)
        coverage_data.tell_worker(self._config, node.workerinput)
        self._hook("pytest_configure_node")(node=node)
        return node

    def ready(self, node: Node) -> None:
        self._hook("pytest_testnodeready")(node=node)

    def _hook(self, name: str) -> Any:
        """Without pytest-cov's part: its controller is not the one that xdist's workers would have (see coverage_data)."""
        coverage = self._config.pluginmanager.getplugin("_cov")
        return self._config.pluginmanager.subset_hook_caller(name, [coverage] if coverage is not None else [])

    def down(self, slot: int, output: bytes | None, error: str | None) -> None:
        """*output*: what its session put out, from another process; None: it is in the node already."""
        node = self._nodes.get(f"gw{slot}")
        if node is None:
            return
        if output is not None:
            node.workeroutput = _loaded(output)
        for key, value in _configured_output(self._config).items():
            node.workeroutput.setdefault(key, value)
        self._hook("pytest_testnodedown")(node=node, error=error)

    def find(self, name: str, workers: int) -> Node:
        if name not in self._nodes:
            self._nodes[name] = Node(self._config, name, workers, self._uid)
        return self._nodes[name]


def _configured_output(config: Any) -> dict[str, Any]:
    """What a plugin puts out while it is configured as a worker's: a fork was configured as the controller, with the same values."""
    metadata = sys.modules.get("pytest_metadata.plugin")
    if metadata is None or not config.pluginmanager.is_registered(metadata):
        return {}
    return {"metadata": dict(config.stash.get(metadata.metadata_key, {}))}


def serve_other_processes(config: Any) -> None:
    """Before workers with sessions of their own are started. pytest-rerunfailures counts in a server, whose thread the image had
    and this process has not."""
    database = getattr(config, "failures_db", None)
    if type(database).__name__ == "ServerStatusDB":
        config.failures_db = type(database)()


def dumped(values: dict[str, Any], what: str) -> bytes:
    """Builtin values for another process of this interpreter. xdist sends the same kinds."""
    try:
        return marshal.dumps(values)
    except ValueError:
        bad = next((key for key, value in values.items() if not _can_travel(value)), "?")
        raise TypeError(f"{what}[{bad!r}] is no plain value (None, bool, number, str, bytes, list, tuple, dict, set)") from None


def _can_travel(value: Any) -> bool:
    try:
        marshal.dumps(value)
    except ValueError:
        return False
    return True


def _loaded(output: bytes) -> dict[str, Any]:
    if not output:
        return {}
    loaded = marshal.loads(output)
    return loaded if isinstance(loaded, dict) else {}


# -- suites whose workers must be configured as workers ----------------------------------------------------------------

#: What there is in config.workerinput when no pytest_configure_node adds to it.
_OWN_KEYS = frozenset(("workerid", "workercount", "testrunuid", "mainargv"))

_known: dict[CodeType, frozenset[str] | None] = {}


def wants_own_sessions(config: Any) -> bool:
    """Is a value of config.workerinput taken while the session is configured? A fork of the controller's session has been
    configured as the controller, so such a suite's workers begin sessions of their own. Plugins that only look whether they
    are in a worker, to do less there, have no need of it; nor have those that take a value which nobody gives: pytest-random-order's
    seed is there with xdist only."""
    configures_nodes = bool(getattr(config.hook, "pytest_configure_node").get_hookimpls())
    for hook in _CONFIGURING:
        for impl in getattr(config.hook, hook).get_hookimpls():
            function = getattr(impl.function, "__func__", impl.function)
            module = getattr(function, "__module__", None) or ""
            if not isinstance(function, FunctionType) or module.partition(".")[0] in _SERVED_BY_A_FORK:
                continue
            texts = _texts_beside_input(function)
            if texts is not None and (configures_nodes or _OWN_KEYS & texts):
                return True
    return False


def _texts_beside_input(function: FunctionType) -> frozenset[str] | None:
    """Texts in the code that takes config.workerinput, its keys among them; None when no code does."""
    code = function.__code__
    if code not in _known:
        taking = [one for one in _codes(function) if "workerinput" in one.co_names]
        texts = frozenset(const for one in taking for const in one.co_consts if isinstance(const, str))
        _known[code] = texts if taking else None
    return _known[code]


def _codes(function: FunctionType) -> Iterator[CodeType]:
    """The function's code and that of the functions of its own module that it names."""
    todo: list[CodeType] = [function.__code__]
    seen: set[CodeType] = set()
    while todo:
        code = todo.pop()
        if code in seen:
            continue
        seen.add(code)
        yield code
        todo.extend(const for const in code.co_consts if isinstance(const, CodeType))
        for name in code.co_names:
            named: Callable[..., Any] | None = function.__globals__.get(name)
            if isinstance(named, FunctionType) and named.__module__ == function.__module__:
                todo.append(named.__code__)
