"""A run that is pfast's: checked, handed over to the daemon, and ended with its exit code."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import ArgumentError
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from . import plugin_arguments
from .plugin_arguments import BadValue, Wish, WrongUse

if TYPE_CHECKING:
    from types import ModuleType

    from . import _client

#: Flags of the interpreter that change nothing for a suite.
_HARMLESS_FLAGS = ("-u", "-B")


class CannotCross(Exception):
    """Why this run has to be plain pytest's."""


def take_over(config: pytest.Config, clash: bool) -> None:
    """Returns when plain pytest is to go on, or to end at once with the exit code that was left with it."""
    if clash:
        raise pytest.UsageError(
            "--fast: pytest-fast and pfast are both installed and both offer it; keep one: "
            "`pip uninstall pytest-fast` (pfast has all of its options), or `pip uninstall pfast`"
        )
    try:
        wish = _read_wish(config)
    except BadValue:
        return  # pytest's own parser comes to it, and words it
    except WrongUse as error:
        raise pytest.UsageError(f"--fast: {error}") from None
    try:
        end = _run(config, wish)
    except CannotCross as reason:
        _fall_back(config, wish, str(reason))
        return
    if end["how"] == "wrong-use":
        raise pytest.UsageError(f"--fast: {_sentence(end)}")
    if end["how"] == "not-begun":
        _fall_back(config, wish, _sentence(end))
        return
    if wish.watch and end["how"] == "finished":
        _start_watcher(wish, end)
    _finish(config, end)


def _sentence(end: _client.End) -> str:
    return f"{end['message']} ({end['hint']})" if end["hint"] else end["message"]


# -- what was asked for ------------------------------------------------------------------------------------------------


def _read_wish(config: pytest.Config) -> Wish:
    """Addopts first: what is on the command line wins."""
    given = [os.fspath(argument) for argument in config.invocation_params.args]
    wish = plugin_arguments.read(config.getini("addopts"))
    talks = any(option in wish.rest for option in ("--pdb", "--trace"))
    wish = plugin_arguments.read(shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), wish)
    talks |= any(option in wish.rest for option in ("--pdb", "--trace"))
    workers, wish.workers = wish.workers, None
    wish = plugin_arguments.read(given, wish)
    talks |= any(option in wish.rest or option.startswith("--pdbcls") for option in ("--pdb", "--trace"))
    if talks or (wish.workers is None and _is_uncaptured(wish.rest)):
        wish.workers = 0  # the user and the tests want to talk to each other, as in plain pytest
    elif wish.workers is None:
        wish.workers = workers
    if wish.most_processes and wish.workers is not None and wish.workers > wish.most_processes:
        wish.workers = wish.most_processes
    return wish


def _is_uncaptured(arguments: list[str]) -> bool:
    """-s, also among other letters, or --capture=no."""
    for argument in arguments:
        if argument == "--capture=no":
            return True
        if argument.startswith("-") and not argument.startswith("--"):
            flags = argument[1 : 1 + next((n for n, letter in enumerate(argument[1:]) if letter not in "hlqsvxV"), len(argument))]
            if "s" in flags:
                return True
    return False


# -- what cannot be had ------------------------------------------------------------------------------------------------


def _load_client() -> ModuleType:
    if os.environ.get("PFAST_DISABLE") == "1":
        raise CannotCross("PFAST_DISABLE=1 is set")
    if not sys.platform.startswith("linux"):
        raise CannotCross(f"there is no pfast for {sys.platform}")
    try:
        from . import _client
    except ImportError as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise CannotCross(f"this installation of pfast has no part for {sys.implementation.name} {version}: {error}") from None
    return _client


def _check_that_it_can_cross(config: pytest.Config, wish: Wish) -> None:
    if wish.only_xdist:
        raise CannotCross(f"{wish.only_xdist} is pytest-xdist's alone")
    for plugin in config.invocation_params.plugins or ():
        if not isinstance(plugin, str):
            name = getattr(plugin, "__name__", None) or type(plugin).__name__
            raise CannotCross(f"the plugin {name!r} was passed to pytest.main as an object, and cannot be had in another process")
    if sys.gettrace() is not None or sys.getprofile() is not None or _is_monitored():
        raise CannotCross("a debugger, profiler or coverage tracer watches this process, and would see nothing of the tests")
    flags = _interpreter_flags()
    if flags:
        raise CannotCross(f"the daemon's interpreter has not been given {' '.join(flags)}")


def _is_monitored() -> bool:
    """From Python 3.12 on, debuggers and coverage have another way."""
    monitoring: Any = getattr(sys, "monitoring", None)
    return monitoring is not None and any(monitoring.get_tool(number) is not None for number in range(6))


def _interpreter_flags() -> list[str]:
    """Those of the command line that change what a suite does; what the environment says is passed on."""
    found = []
    arguments = iter(sys.orig_argv[1:])
    for argument in arguments:
        if not argument.startswith("-") or argument[:2] in ("-m", "-c"):
            break
        if argument not in _HARMLESS_FLAGS:
            found.append(argument)
        if argument in ("-X", "-W", "--check-hash-based-pycs"):
            found.append(next(arguments, ""))
    return found


def _descriptors() -> tuple[int, int, int]:
    """Of this process's streams; what is buffered in them is written first."""
    numbers = []
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            numbers.append(-1)
            continue
        try:
            if name != "stdin":
                stream.flush()
            numbers.append(stream.fileno())
        except (AttributeError, OSError, ValueError):
            raise CannotCross(f"sys.{name} was replaced by an object that is no file") from None
    return numbers[0], numbers[1], numbers[2]


# -- the run -----------------------------------------------------------------------------------------------------------


def _run(config: pytest.Config, wish: Wish) -> _client.End:
    client = _load_client()
    _check_that_it_can_cross(config, wish)
    command_line = is_command_line()
    plugins = [name for plugin in config.invocation_params.plugins or () for name in ("-p", plugin)]
    end: _client.End = client.run(
        argv=[os.fsencode(argument) for argument in (*plugins, *wish.rest)],
        program=os.fsencode(_program()),
        sys_path=None if command_line else _foreign_path(),
        python=os.fsencode(_python()),
        executable=os.fsencode(_executable()),
        address=os.fsencode(wish.address) if wish.address else None,
        workers=wish.workers,
        dist=wish.dist,
        ttl_s=wish.ttl,
        streams=_descriptors(),
        keep_outcomes=bool(os.environ.get("OUTCOME_DUMP")),
        dies_by_interrupt=command_line,
    )
    return end


def _program() -> str:
    return os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] not in ("", "-c", "-m") else os.path.join(_bin(), "pytest")


def _foreign_path() -> bytes | None:
    """sys.path, when the program that called pytest.main has put something into it that a new process would not have."""
    first, *rest = sys.path or [""]
    own = _own_path()
    if first == os.path.dirname(_program()) and all(entry in own for entry in rest):
        return None
    return os.fsencode(os.pathsep.join(os.path.abspath(entry) for entry in sys.path))


def _own_path() -> set[str]:
    """What the interpreter itself puts into sys.path: its library, PYTHONPATH, site-packages and what .pth files in there name."""
    import site
    import sysconfig

    library = sysconfig.get_paths()
    own = {library["stdlib"], library["platstdlib"], os.path.join(library["platstdlib"], "lib-dynload")}
    own |= {f"{prefix}/lib/python{sys.version_info.major}{sys.version_info.minor}.zip" for prefix in (sys.base_prefix, sys.base_exec_prefix)}
    own |= {os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    for folder in (*site.getsitepackages(), site.getusersitepackages()):
        own.add(folder)
        for file in Path(folder).glob("*.pth"):
            lines = file.read_text(errors="replace").splitlines()
            own |= {os.path.normpath(os.path.join(folder, line.strip())) for line in lines if line.strip() and not line.startswith(("#", "import"))}
    return own


def _python() -> str:
    """As `pfast run` spells it, so that both have one daemon: a virtual environment by its folder."""
    return sys.prefix if sys.prefix != sys.base_prefix else sys.executable


def _bin() -> str:
    return os.path.dirname(sys.executable)


def _executable() -> str:
    """pfast itself: where the installer of this package puts programs, else on PATH."""
    named = os.environ.get("PFAST_EXECUTABLE")
    if named:
        return named
    package = Path(__file__).resolve().parent
    folders = [_bin(), os.path.join(sys.prefix, "bin"), *(str(package.parents[up] / "bin") for up in (0, 3) if len(package.parents) > up)]
    for folder in (*folders, *os.environ.get("PATH", "").split(os.pathsep)):
        path = os.path.join(folder, "pfast")
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    raise CannotCross(f"the program pfast is neither in {' nor in '.join(dict.fromkeys(folders))} nor on PATH")


# -- the end -----------------------------------------------------------------------------------------------------------


def _start_watcher(wish: Wish, end: _client.End) -> None:
    """pfast-watch for the daemon of this run, in a session of its own. It ends by itself when the daemon has a watcher already."""
    here = os.path.dirname(_executable())
    programs = [os.path.join(here, "pfast-watch"), os.path.join(os.path.dirname(here), "watch", "pfast-watch")]
    program = next((path for path in programs if os.access(path, os.X_OK)), None)
    if program is None:
        _say(f"there will be no watcher: the program {programs[0]} is not there")
        return
    address = ["--address", wish.address] if wish.address else []
    log = end["address"].removesuffix(".sock") + ".watch.log"
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        os.posix_spawn(program, [program, "--python", _python(), *address], os.environ, file_actions=actions, setsid=True)
    except OSError as error:
        _say(f"there will be no watcher: {error}")


def is_command_line() -> bool:
    """Is this pytest's own command, whose process ends with the run? Else a program called pytest.main."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name in ("console_main", "_console_main") and frame.f_globals.get("__name__") == "_pytest.config":
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _finish(config: pytest.Config, end: _client.End) -> None:
    for note in end["notes"]:
        _say(note)
    if end["ended_by"]:
        import signal

        signal.raise_signal(end["ended_by"])  # as if it had met pytest itself: this process ends by it, unless its program knows better
    code = end["exit_code"]
    if end["how"] == "failed" and not end["ended_by"]:
        _say(f"error: {end['message']}" + (f"\n  hint: {end['hint']}" if end["hint"] else ""))
    dump = os.environ.get("OUTCOME_DUMP")
    if dump:
        from . import plugin_dump

        plugin_dump.write(dump, end["outcomes"])
    if is_command_line():
        _leave(code)
    _end_without_session(config, code)


def _leave(code: int) -> NoReturn:
    raise SystemExit(code)


def _end_without_session(config: pytest.Config, code: int) -> None:
    """pytest.main returns *code*: no conftest is loaded, nothing is collected, its caller's process goes on."""
    from _pytest.config.argparsing import Parser

    def stop_parsing(*args: Any, **kwargs: Any) -> NoReturn:
        from _pytest.config import PrintHelp

        # Hooks around the parser ask for options; before pytest 9 there would be none yet.
        for name, value in vars(config.known_args_namespace).items():
            if not hasattr(config.option, name):
                setattr(config.option, name, value)
        config.option.debug = None  # the run's own pytest writes that file
        raise PrintHelp  # what pytest's own parse() takes as the end of configuring

    class Answer:
        @pytest.hookimpl(tryfirst=True)
        def pytest_cmdline_main(self) -> int:
            return code

    # On this object alone: pluggy's own callers stay as they are.
    config.hook.pytest_load_initial_conftests = lambda **kwargs: []  # type: ignore[assignment]
    parser: Parser = config._parser
    for name in ("parse", "parse_setoption"):
        if hasattr(parser, name):
            setattr(parser, name, stop_parsing)
    config.pluginmanager.register(Answer(), "pfast-answer")


def _fall_back(config: pytest.Config, wish: Wish, reason: str) -> None:
    if wish.required:
        raise pytest.UsageError(f"--fast-required: {reason}")
    _say(f"warning: {reason}: plain pytest runs")
    config.pluginmanager.register(WorkersOption(), "pfast-workers-option")


def _say(text: str) -> None:
    print(f"pfast: {text}", file=sys.stderr, flush=True)


class WorkersOption:
    """-n N and --dist where pytest-xdist is not there to know them, in a run that would have been --fast."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config, parser: pytest.Parser) -> None:
        add_workers_options(early_config, parser)


def add_workers_options(config: pytest.Config, parser: pytest.Parser) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        return
    group: Any = parser.getgroup("pfast")
    try:
        group._addoption("-n", "--numprocesses", dest="numprocesses", metavar="N", default=None, help="Processes that run tests (pfast)")
        group.addoption("--maxprocesses", dest="maxprocesses", type=int, default=None, help="At most so many of them (pfast)")
        group.addoption("--dist", dest="dist", metavar="MODE", default="no", help="How tests are distributed (pfast)")
    except (ValueError, ArgumentError):
        return  # another plugin's by now: it knows what they mean
