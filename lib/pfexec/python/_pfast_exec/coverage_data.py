"""pytest-cov in forks: a generation that was booted with --cov has traced its imports; every run and worker goes on from there.

Each process writes a data file of its own, with what it inherited in it; the controller's pytest-cov combines them all,
as it does with the files of pytest-xdist's workers.
"""

from __future__ import annotations

import os
import socket
from typing import Any


def _controller(config: Any) -> Any:
    plugin = config.pluginmanager.getplugin("_cov")
    return None if plugin is None or plugin._disabled else plugin.cov_controller


def begin_run(config: Any) -> None:
    """pytest-cov has removed the previous run's data when the image was made: this run's previous data are removed here."""
    controller = _controller(config)
    if controller is None or controller.cov_append:
        return
    combining = getattr(controller, "combining_cov", None)
    (combining if combining is not None else controller.cov).erase()


def tell_worker(config: Any, workerinput: dict[str, Any]) -> None:
    """What pytest-cov in a worker with a session of its own asks for: where the controller combines the data."""
    controller = _controller(config)
    if controller is not None:
        workerinput.update(
            cov_master_host=socket.gethostname(), cov_master_topdir=controller.topdir, cov_master_rsync_roots=[]
        )


def finish_worker(config: Any) -> None:
    """Saves what this worker traced, where the controller looks for it."""
    controller = _controller(config)
    if controller is None:
        return
    folder = os.getcwd()
    try:
        os.chdir(controller.topdir)
        controller.cov.stop()
        controller.cov.save()
    finally:
        os.chdir(folder)
