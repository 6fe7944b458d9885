"""Texts of two runs of pytest, compared: without times, and for workers without their names and their order."""

from __future__ import annotations

import re

_SECONDS = re.compile(r"\b\d+\.\d+s\b(?: \(\d+:\d\d:\d\d\))?")
_WORKER = re.compile(r"\bgw\d+\b")
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")
_BAR = re.compile(r"={3,}|-{3,}|_{3,}|!{3,}")
_PERCENT = re.compile(r"\[ *\d+%\]")
_LAST = re.compile(r"^=+ (.*) =+$")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_HEADING = re.compile(r"^=== .* ===$")
_BLOCK = re.compile(r"^___ .* ___$")
_LETTERS = re.compile(r"^([.FEsxXuR,-]+) *(\[n%\])?$")


def exact(text: str) -> str:
    """Of one process: nothing but times and addresses may differ. Bars, whose length depends on a time's, are cut to three."""
    return _BAR.sub(lambda bar: bar.group()[:3], _ADDRESS.sub("0x0", _SECONDS.sub("0.00s", text.replace("\r\n", "\n"))))


def of_workers(text: str) -> str:
    """Of several: who ran what, and in which order, is nobody's promise. Sections stand in their order, what is in them is sorted."""
    lines = [_plain_line(line) for line in exact(text).split("\n")]
    sections: list[list[str]] = [[]]
    for line in lines:
        if _HEADING.match(line):
            sections.append([line])
        else:
            sections[-1].append(line)
    return "\n".join("\n".join(_sorted_section(section)) for section in sections)


def _plain_line(line: str) -> str:
    line = _COLOUR.sub("", line).rpartition("\r")[2].rstrip()
    return _LAST.sub(r"=== \1 ===", _PERCENT.sub("[n%]", _WORKER.sub("gwN", line)))


def _sorted_section(lines: list[str]) -> list[str]:
    if not any(_BLOCK.match(line) for line in lines):
        letters = "".join(sorted("".join(match.group(1) for line in lines if (match := _LETTERS.match(line)))))
        rest = sorted(line for line in lines[1:] if not _LETTERS.match(line))
        return [*lines[:1], letters, *rest]
    blocks: list[list[str]] = [[]]
    for line in lines:
        if _BLOCK.match(line):
            blocks.append([])
        blocks[-1].append(line)
    return ["\n".join(block) for block in [blocks[0], *sorted(blocks[1:])]]
