"""Adopt: a run whose options the image can take over goes on with the items that are collected already."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import options
from .controller import Controller
from .selection import Argument, NotCovered, Selector, covered_by

if TYPE_CHECKING:
    from .image import Image


def adopt(image: Image, session: Any, request: Mapping[str, Any]) -> None:
    """Cuts *session* down to the request and gives it the request's options. Raises NotCovered before it changed anything."""
    config = session.config
    argv = [os.fsdecode(arg) for arg in request["argv"]]
    namespace = _adoptable_options(image, config, argv)
    selector = Selector(config, image.index, image.scope, image.whole)
    selection = selector.select(getattr(namespace, options.FILE_OR_DIR) or [], bool(getattr(namespace, "pyargs", False)))

    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None and type(reporter).__module__ != "_pytest.terminal":
        raise NotCovered(f"the terminal reporter is {type(reporter).__module__}'s")

    _set_invocation(config, argv)
    options.apply(config, namespace)
    session.items[:] = [image.index.items[number] for number in selection.items]
    controller = Controller(config, request, image.hooks, "adopt", "the options act after collection")
    if selection.arguments is not None:
        _drop_foreign_warnings(image, selection.arguments)
    reports = [report for report in image.notable_reports if _concerns(report, config, selection.arguments)]
    controller.begin_adopted(session, len(selection.items), reports, image)


def _adoptable_options(image: Image, config: Any, argv: list[str]) -> argparse.Namespace:
    namespace = options.parse(config, argv)
    if namespace is None:
        raise NotCovered("the arguments are for pytest itself to judge")
    if any(argument.startswith("--random-order") for argument in options.full_arguments(config, argv)):
        raise NotCovered("pytest-random-order chooses its seed when it adds its options")
    defaults = image.defaults
    for name in options.RUN_ONLY:
        if getattr(namespace, name, None) != getattr(defaults, name, None) or getattr(namespace, name, None):
            raise NotCovered(f"the option '{name}' shapes the collection of one run")
    shape = options.without_run_options(namespace, namespace)
    for name in shape.keys() | image.shape.keys():
        if shape.get(name) != image.shape.get(name):
            raise NotCovered(f"the option '{name}' differs from the generation's")
    objection = image.option_use.objection(config.option, namespace)
    if objection is not None:
        raise NotCovered(objection)
    return namespace


def _set_invocation(config: Any, argv: list[str]) -> None:
    params = config.invocation_params
    config.invocation_params = dataclasses.replace(params, args=tuple(argv)) if dataclasses.is_dataclass(params) else params
    config.args = argv if argv else config.args
    sys.stdout.flush()


def _drop_foreign_warnings(image: Image, arguments: list[Argument]) -> None:
    """Warnings of test files that this run does not select: plain pytest would not have imported those files."""
    log = getattr(getattr(warnings, "_showwarnmsg_impl", None), "__self__", None)
    if not isinstance(log, list):
        return
    selected = [argument.path for argument in arguments]
    log[:] = [
        record
        for record in log
        if record.filename not in image.test_files or covered_by(record.filename, selected)
    ]


def _concerns(report: Any, config: Any, arguments: list[Argument] | None) -> bool:
    """Does this collector lie below (or around) what the run asked for?"""
    if arguments is None:
        return True
    path = os.path.join(str(config.rootpath), str(report.nodeid).split("::")[0])
    return any(
        covered_by(path, [argument.path]) and (not argument.names or _names_of(report)[: len(argument.names)] == argument.names)
        for argument in arguments
    )


def _names_of(report: Any) -> tuple[str, ...]:
    return tuple(str(report.nodeid).split("::")[1:])
