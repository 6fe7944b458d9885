"""What a forked child of the warm process mends before it goes on: streams, capture files, cwd, environment, caches.

The descriptors 0, 1 and 2 are the client's already when this runs (pfexec put them there).
"""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import _pfexec

from . import environ, randomness

_original_stat = os.stat
_stacks_descriptor = 2


def record_stat() -> None:
    """While an image is made, os.stat tells which paths were looked for: CPython has no audit event for it."""
    os.stat = _pfexec.wrap_stat(_original_stat)  # type: ignore[assignment]


def dump_stacks_on_signal(descriptor: int = -1) -> None:
    """SIGUSR1 writes all threads' stacks to *descriptor*, else to the real stderr, which pytest's capture hides from descriptor 2."""
    global _stacks_descriptor
    _stacks_descriptor = os.dup(2)
    target = descriptor if descriptor >= 0 else _stacks_descriptor
    faulthandler.register(signal.SIGUSR1, file=target, all_threads=True, chain=False)


def dump_stacks_on_demand() -> None:
    """The daemon's signal for a test that runs for long: the stacks go to the client's stderr, and the test goes on."""
    faulthandler.register(_pfexec.STACK_SIGNAL, file=_stacks_descriptor, all_threads=True, chain=False)


def write_last_words(config: Any) -> None:
    """What a worker would take along when it is lost goes to files that its controller has, too: captured output, stacks."""
    out, err, stacks = _pfexec.last_words()
    for capture in fd_captures(config):
        descriptor = {1: out, 2: err}.get(capture.targetfd, -1)
        if descriptor < 0:
            fresh_capture_file(capture)
        else:
            _put_under_capture(capture, descriptor)
    if stacks < 0:
        return
    faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=True, chain=False)
    if faulthandler.is_enabled():
        faulthandler.enable(file=stacks)


def after_fork(request: Mapping[str, Any], changes: Mapping[bytes, bytes | None], config: Any) -> None:
    """Turns the copy of the image into a process that could have been started by the client."""
    os.stat = _original_stat
    environ.stop_recording()
    saved_tmp = os.environ.get("TMPDIR"), os.environ.get("TEMP"), os.environ.get("TMP")
    environ.install(request["env"], changes)
    if saved_tmp != (os.environ.get("TMPDIR"), os.environ.get("TEMP"), os.environ.get("TMP")):
        tempfile.tempdir = None
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    sys.argv[:] = [os.fsdecode(request["program"]), *map(os.fsdecode, request["argv"])]
    _line_buffer_like_python()
    point_captures_at_client(config)
    _point_faulthandler_at_client(config)
    if _stacks_descriptor != 2:
        os.dup2(2, _stacks_descriptor, inheritable=False)
    randomness.after_fork()
    _forget_multiprocessing()
    _replace_event_loop()
    own_exit_functions()


def _line_buffer_like_python() -> None:
    for stream, descriptor in ((sys.__stdout__, 1), (sys.__stderr__, 2)):
        if hasattr(stream, "reconfigure"):
            unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
            stream.reconfigure(line_buffering=descriptor == 2 or os.isatty(descriptor), write_through=unbuffered)


def fd_captures(config: Any) -> Iterator[Any]:
    """pytest's global descriptor captures (FDCapture), stdin's included."""
    manager = config.pluginmanager.getplugin("capturemanager")
    multi = getattr(manager, "_global_capturing", None)
    for name in ("in_", "out", "err"):
        capture = getattr(multi, name, None)
        if hasattr(capture, "targetfd_save"):
            yield capture


def fresh_capture_file(capture: Any) -> None:
    """A capture file of this process' own: after a fork all processes would share one offset otherwise."""
    if capture.targetfd == 0:
        return
    with tempfile.TemporaryFile(buffering=0) as file:
        _put_under_capture(capture, file.fileno())


def _put_under_capture(capture: Any, descriptor: int) -> None:
    os.dup2(descriptor, capture.tmpfile.fileno(), inheritable=False)
    if capture._state == "started":
        os.dup2(capture.tmpfile.fileno(), capture.targetfd)


def silence_stdout(config: Any) -> None:
    """What is not captured goes nowhere: the captured text of tests is kept."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    (out,) = [capture for capture in fd_captures(config) if capture.targetfd == 1] or (None,)
    if out is not None:
        os.dup2(null, out.targetfd_save, inheritable=False)
    if out is None or out._state != "started":
        os.dup2(null, 1)
    os.close(null)


def client_streams(config: Any) -> tuple[int, int, int]:
    """Descriptors of the client's stdin, stdout and stderr, behind pytest's capture."""
    streams = [0, 1, 2]
    for capture in fd_captures(config):
        streams[capture.targetfd] = capture.targetfd_save
    return streams[0], streams[1], streams[2]


def point_captures_at_client(config: Any) -> None:
    for capture in fd_captures(config):
        os.dup2(capture.targetfd, capture.targetfd_save, inheritable=False)
        if capture.targetfd == 0 and capture._state == "started":
            os.dup2(capture.tmpfile.fileno(), 0)
        fresh_capture_file(capture)


def _point_faulthandler_at_client(config: Any) -> None:
    try:
        from _pytest.faulthandler import fault_handler_stderr_fd_key
    except ImportError:
        return
    descriptor = config.stash.get(fault_handler_stderr_fd_key, None)
    if isinstance(descriptor, int):
        os.dup2(2, descriptor, inheritable=False)


def _forget_multiprocessing() -> None:
    tracker = sys.modules.get("multiprocessing.resource_tracker")
    if tracker is not None:
        tracker._resource_tracker._fd = None  # type: ignore[attr-defined]
        tracker._resource_tracker._pid = None  # type: ignore[attr-defined]
    server = sys.modules.get("multiprocessing.forkserver")
    if server is not None:
        server._forkserver._forkserver_address = None  # type: ignore[attr-defined]
        server._forkserver._forkserver_alive_fd = None  # type: ignore[attr-defined]
        server._forkserver._forkserver_pid = None  # type: ignore[attr-defined]
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        process._children.clear()  # type: ignore[attr-defined]


def _replace_event_loop() -> None:
    # A loop made while importing shares its epoll descriptor with every other child.
    events = sys.modules.get("asyncio.events")
    policy = getattr(events, "_event_loop_policy", None)
    local = getattr(policy, "_local", None)
    if getattr(local, "_loop", None) is not None:
        policy.set_event_loop(policy.new_event_loop())


def own_exit_functions() -> None:
    """After a fork: what the parent registered belongs to the parent, what this process registers is run at its own end.

    Modules that register once and keep a list of their own are asked to register again."""
    atexit._clear()
    logging = sys.modules.get("logging")
    if logging is not None:
        atexit.register(logging.shutdown)
    for finalizer in weakref.finalize._registry.values():  # type: ignore[attr-defined]
        finalizer.atexit = False  # a temporary folder of the parent's, say
    if weakref.finalize._registered_with_atexit:  # type: ignore[attr-defined]
        atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:
        atexit.register(multiprocessing._exit_function)  # it tells by the pid whose finalizers are whose


def run_exit_functions() -> None:
    """atexit functions that this process registered."""
    atexit._run_exitfuncs()
