"""What pytest made of its options, as far as the native reporter's text depends on it: messages.hpp, TextOptions."""

from __future__ import annotations

import os
from typing import Any

#: console_output_style -> what stands at the end of a line.
_PROGRESS = {"progress-even-when-capture-no": "progress", "classic": ""}


def describe(config: Any, color: bool) -> dict[str, Any]:
    """*config*'s options and ini file; a version of pytest that lacks one of them has its default."""

    def option(name: str, default: Any) -> Any:
        value = getattr(config.option, name, default)
        return default if value is None else value

    captures = option("capture", "fd") != "no"
    verbosity = int(option("verbose", 0))
    return {
        "color": color,
        "verbosity": verbosity,
        "verbosity_test_cases": _verbosity_of_test_cases(config, verbosity),
        "progress": _progress(config, captures),
        "captures": captures,
        "no_header": bool(option("no_header", False)),
        "no_summary": bool(option("no_summary", False)),
        "report_chars": str(option("reportchars", "fE")),
        "durations": int(option("durations", -1)),
        "durations_min_s": float(option("durations_min", -1.0)),
        "show_capture": option("showcapture", "all") != "no",
        "disable_warnings": bool(option("disable_warnings", False)),
        "fold_skips": bool(option("fold_skipped", True)),
        "xfail_tb": bool(option("xfail_tb", False)),
        "short_reasons": bool(option("force_short_summary", False)),
        "tb": str(option("tbstyle", "auto")),
        "rootdir": os.fsencode(config.rootpath),
        "cwd": os.fsencode(config.invocation_params.dir),
    }


def wants_color(config: Any, request: Any) -> bool:
    """--color, wherever it was given; else what the client found out about its terminal and environment."""
    asked = getattr(config.option, "color", "auto")
    if asked in ("yes", "no"):
        return bool(asked == "yes")
    told = request["options"]["color"]
    return bool(told == "yes" or (told == "auto" and request["terminal"]["stdout_is_tty"]))


def _progress(config: Any, captures: bool) -> str:
    style = _ini(config, "console_output_style", "progress")
    if not captures and style != "progress-even-when-capture-no":
        return ""
    return _PROGRESS.get(style, style)


def _verbosity_of_test_cases(config: Any, verbosity: int) -> int:
    get = getattr(config, "get_verbosity", None)
    return verbosity if get is None else int(get("test_cases"))


def _ini(config: Any, name: str, default: str) -> str:
    try:
        return str(config.getini(name))
    except (KeyError, ValueError):  # -p no:terminal: nobody has defined it
        return default
