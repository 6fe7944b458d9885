"""pfast for Python programs: the names of pytest-fast 0.9.3, served by pfast.

``import pfast as pytest_fast`` serves a script that was written for it. :mod:`pfast.wire` reads and writes the frames that pfast's
processes exchange.
"""

# Whoever imports this may be any pytest run of the interpreter: nothing is imported, set or looked at before a name is asked for.
_HOMES = {
    "Daemon": "_daemon",
    "RunResult": "_results",
    "WorkerStats": "_results",
    "categorize": "_results",
    "default_workers": "_workers",
    "main": "_main",
    "main_cli": "_main",
    "request_run": "_client_v1",
    "request_run_streamed": "_client_v1",
    "resolve_workers": "_workers",
}

__all__ = sorted(_HOMES)

#: `pytest -p pfast`, where the package lies on the path without having been installed.
pytest_plugins = ("pfast.plugin",)


def __getattr__(name):
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOMES})
