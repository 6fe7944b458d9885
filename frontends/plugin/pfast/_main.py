"""The predecessor's command line."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from pfast._daemon import Daemon, report_options, serve_environment, serve_options
from pfast._native import find_program, interpreter_options, run_program
from pfast._workers import resolve_workers

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULT_METHOD = "forkserver"


def main(argv: Sequence[str]) -> int:
    """`pytest-fast ARGV`: runs tests, or is the daemon or the watcher. The exit code; SystemExit(2) for a wrong option.

    A run is `pfast run`, whose report and exit codes it has.
    """
    parser = _parser()
    ns = _parsed(parser, argv)
    if ns.print_inferred_workers:
        print(ns.workers_resolved)
        return 0
    if ns.watch:
        return run_program("pfast-watch", ["--address", ns.address])
    if ns.serve:
        return run_program(
            "pfast",
            [*serve_options(ns.address, ns.ttl), "--owner-pid", str(os.getpid())],
            serve_environment(ns.workers_resolved, ns.start_method),
        )
    if ns.address:
        return _run_at(ns)
    daemon = Daemon(ns.workers_resolved, ns.start_method, ns.dump)
    return daemon.run(ns.runs, full_report=ns.full_report, detailed=ns.detailed, bench=ns.bench)


def main_cli() -> int:
    """:func:`main` with the arguments of this process."""
    return main(sys.argv[1:])


def become(argv: Sequence[str]) -> None:
    """`python -m pfast ARGV`: in the place of this process, where it is one of pfast's programs that is meant. Returns when it is not.

    Whoever starts a daemon so can end it by its process id.
    """
    if argv and not argv[0].startswith("-"):   # `run`, `status`, …: the predecessor takes no words
        os.execv(find_program(), ["pfast", *argv])
    parser = _parser()
    ns = _parsed(parser, argv)
    if ns.serve and not ns.watch and not ns.print_inferred_workers:
        environment = serve_environment(ns.workers_resolved, ns.start_method)
        os.execve(find_program(), ["pfast", *serve_options(ns.address, ns.ttl)], environment)


def _run_at(ns: argparse.Namespace) -> int:
    """`pfast run` on the daemon of the address, which it starts when there is none."""
    options = ["run", "--address", ns.address, *interpreter_options()]
    options += report_options(full_report=ns.full_report, detailed=ns.detailed, bench=ns.bench)
    if ns.workers is not None:
        options += ["--workers", str(ns.workers)]
    if ns.start_method != _DEFAULT_METHOD:
        options += ["--start-method", ns.start_method]
    if ns.ttl is not None:
        options += ["--ttl", repr(ns.ttl)]
    if ns.runs > 1 and ns.bench <= 0:
        options += ["--runs", str(ns.runs)]
    if ns.dump is not None:
        options += ["--dump", ns.dump]
    if ns.with_watcher:
        options.append("--with-watcher")
    return run_program("pfast", options)


def _parsed(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    ns = parser.parse_args(list(argv))
    try:
        ns.workers_resolved = resolve_workers(ns.workers)
    except ValueError as error:
        parser.error(str(error))
    ns.address = ns.address or os.environ.get("PYTEST_FAST_ADDRESS")
    if ns.watch and not ns.address:
        parser.error("--watch requires --address")
    if ns.serve and not ns.address:
        parser.error("--serve requires --address")
    if ns.runs < 1:
        parser.error(f"--runs must be >= 1, got {ns.runs}")
    return ns


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="pytest-fast's command line, served by pfast")
    add = parser.add_argument
    add("--workers", type=int, default=None, help="processes that run tests (or $PYTEST_FAST_WORKERS; default: the processors)")
    add("--print-inferred-workers", action="store_true", help="print the number of workers that a run would have, and exit")
    add("--start-method", choices=["spawn", "forkserver", "fork", "auto"], default=_DEFAULT_METHOD)
    add("--address", help="socket of the daemon (or $PYTEST_FAST_ADDRESS); without one the run is on its own")
    add("--ttl", type=float, default=None, help="idle seconds after which the daemon leaves (or $PYTEST_FAST_TTL)")
    add("--serve", action="store_true", help="be the daemon (needs --address)")
    add("--watch", action="store_true", help="be the watcher of its sources (needs --address)")
    add("--with-watcher", action="store_true", help="start a watcher too, which has the daemon collect after every change")
    add("--runs", type=int, default=1, help="times that the suite is run")
    add("--dump", help="write {nodeid: outcome} to this file, as JSON")
    add("--full-report", action="store_true", help="add a table of durations to the report")
    add("--detailed", action="store_true", help="add where the time went")
    add("--bench", nargs="?", const=2, default=0, type=int, metavar="N", help="run the suite N times (2) and tell what to save time on")
    return parser
