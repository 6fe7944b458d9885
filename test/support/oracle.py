"""Plain pytest is the oracle: comparing what came of a run with what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

Outcomes = Mapping[str, str]


def read_outcomes(path: Path) -> dict[str, str]:
    """A run that ended before its session began leaves no file: it has no outcomes."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    return dict(json.loads(text)) if text.strip() else {}


def differences(expected: Outcomes, actual: Outcomes) -> list[str]:
    """One line per node id whose outcome is not the oracle's."""
    return [
        f"{nodeid}: pytest {expected.get(nodeid, 'did not run it')}, pfast {actual.get(nodeid, 'did not run it')}"
        for nodeid in sorted(expected.keys() | actual.keys())
        if expected.get(nodeid) != actual.get(nodeid)
    ]


_COLOUR = r"(?:\x1b\[[0-9;]*m)*"
_DURATION = re.compile(rf"\bin {_COLOUR}\d+\.\d+s(?: \(\d+:\d\d:\d\d\))?")
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")
_BAR = re.compile(r"={3,}|-{3,}|_{3,}|!{3,}")
_STARTS = re.compile(rf"^{_COLOUR}=+ test session starts =+{_COLOUR}$")
_COLLECTED = re.compile(rf"^{_COLOUR}(?:collected|collecting|\d+ workers) ")


def masked(text: str) -> str:
    """pytest's terminal text without what may differ between two runs of it: times, addresses and the header.

    The bars of the last line are as long as the time is short, so bars are cut down to three characters."""
    lines = []
    in_header = False
    for line in text.replace("\r\n", "\n").split("\n"):
        # A terminal overwrites "collecting ..." by "collected n items".
        line = line.rpartition("\r")[2].rstrip()
        if in_header and _COLLECTED.match(line):
            in_header = False
        if not in_header:
            line = _ADDRESS.sub("0x0", _DURATION.sub("in 0.00s", line))
            lines.append(_BAR.sub(lambda bar: bar.group()[:3], line))
        in_header = in_header or _STARTS.match(line) is not None
    return "\n".join(lines)


#: pfast's own line of where the time went, before the last one.
PHASES = re.compile(r"^connect \d+(?:\.\d)? ms · (?:wait \d+ ms · |wait \d\.\d ms · )?boot ")


def section(text: str, title: str) -> str:
    """The body of one of pytest's sections, '=== FAILURES ===' say, up to the next one; '' when it is not there."""
    heading = re.compile(r"^=+ (.+) =+$")
    found: list[str] | None = None
    for line in text.splitlines():
        if PHASES.match(line):
            continue
        match = heading.match(line)
        if match and found is not None:
            break
        if match and match.group(1) == title:
            found = []
        elif found is not None:
            found.append(line)
    return "\n".join(found or [])


def last_line(text: str) -> str:
    """pytest's last line without bars and time: '1 failed, 2 passed in 0.00s'."""
    lines = [line for line in text.splitlines() if line.strip()]
    return _DURATION.sub("in 0.00s", lines[-1]).strip("= ") if lines else ""
