#!/usr/bin/env python3
"""Reads the tree and fails on what a layer must not know. ARCHITECTURE.md has the table in words.

Usage: python3 test/layering.py [ROOT]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

SOURCES = ("*.hpp", "*.cpp", "*.h", "*.c", "*.ipp")
PYTHON_API = r"(Python\.h|structmember\.h|cpython/.*|pybind11/.*)"
LIBUV = r"(uv\.h|uv/.*)"
FRONTEND_OPTIONS = "frontends/*/options*"
#: Only what a computer of ours could have; /usr, /tmp and /proc are everybody's.
MACHINE_PATH = r"(?<![\w.$}/-])/(?:work|root|home/[a-z]\w*|farm|Users|tmp/(?:pred|bash_jobs)[\w.]*)/[\w.]"


@dataclass(frozen=True)
class Rule:
    says: str
    where: str  # glob over paths below the root; * crosses folders
    forbidden: str  # regular expression for a line's subject
    subject: str = "include"
    except_in: tuple[str, ...] = ()


RULES = [
    Rule("pfcore includes libc and std only", "lib/pfcore/*", r"(?!pfcore/|sys/|linux/|netinet/)[\w.+-]+/.*"),
    Rule("pfcore knows no libuv, Python or JSON library", "lib/pfcore/*", rf"({LIBUV}|{PYTHON_API}|.*json.*)"),
    Rule("pfcore starts no process", "lib/pfcore/*", r"(spawn\.h|pty\.h)"),
    Rule("pfcore calls nothing that forks", "lib/pfcore/*", r"\b(posix_spawnp?|popen|system|forkpty|clone3?)\s*\(", "code"),
    Rule("pfexec knows no libuv and no pfctl", "lib/pfexec/*", rf"({LIBUV}|pfctl/.*|.*/pfctl/.*)"),
    Rule("pfctl knows no Python and no pfexec", "lib/pfctl/*", rf"({PYTHON_API}|pfexec/.*|.*/pfexec/.*)"),
    Rule("libraries know no frontend", "lib/*", r"(pfcli/.*|.*frontends/.*)"),
    Rule("CLI11 only in the frontends' option files", "*", r"CLI/.*", except_in=(FRONTEND_OPTIONS,)),
    Rule("toml++ only in pfctl's config.cpp", "*", r"(toml\+\+/.*|toml\.hpp|toml11.*)", except_in=("lib/pfctl/src/config.cpp",)),
    Rule("<uv.h> only in pfctl", "*", LIBUV, except_in=("lib/pfctl/*", "test/unit/pfctl/*")),
    Rule(
        # Private headers are part of the .cpp files that include them; a public one would leak Python to whoever links.
        "Python.h and pybind11 only in pfexec's sources and the plugin",
        "*",
        PYTHON_API,
        except_in=("lib/pfexec/src/*", "lib/pfexec/pch/*", "frontends/plugin/*", "test/unit/pfexec/*"),
    ),
    Rule(
        "fork() and vfork() only in fork.cpp",
        "*",
        r"(?<![.\w>])(v?fork|_Fork)\s*\(\s*(void)?\s*\)|\bSYS_(v?fork|clone3?)\b",
        "code",
        except_in=("lib/pfexec/src/fork.cpp", "test/unit/*", "test/support/faulty_libc.cpp"),
    ),
    Rule("no header is reached through ..", "*", r"\.\./.*", except_in=("test/*",)),
    Rule("no machine's own paths", "*", MACHINE_PATH, "text"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def includes(text: str) -> Iterator[tuple[int, str, bool]]:
    for number, line in enumerate(text.splitlines(), 1):
        if match := INCLUDE.match(line):
            yield number, match.group(1), True


def code(text: str) -> Iterator[tuple[int, str, bool]]:
    blank = NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    yield from ((number, line, False) for number, line in enumerate(blank.splitlines(), 1))


def plain_text(text: str) -> Iterator[tuple[int, str, bool]]:
    yield from ((number, line, False) for number, line in enumerate(text.splitlines(), 1))


#: subject -> (which files have it, how it is read: line number, text, whether the whole text must match)
SUBJECTS: dict[str, tuple[tuple[str, ...], Callable[[str], Iterator[tuple[int, str, bool]]]]] = {
    "include": (SOURCES, includes),
    "code": (SOURCES, code),
    "text": ((*SOURCES, "*.py", "*.sh", "*.md", "*.toml", "*.json", "meson*", "*.wrap", "run"), plain_text),
}


def files(root: Path) -> list[str]:
    """What is or may be committed: neither build folders nor hidden ones, save CI's."""
    found = []
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts)
        made = parts[0].startswith("build") or parts[0] == "dist" or "__pycache__" in parts
        fetched = parts[0] == "subprojects" and len(parts) > 2 and parts[1] != "packagefiles"
        if path.is_file() and not hidden and not made and not fetched:
            found.append("/".join(parts))
    return found


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def offences(root: Path, paths: list[str], rule: Rule) -> Iterator[str]:
    names, read = SUBJECTS[rule.subject]
    pattern = re.compile(rule.forbidden)
    looked_at = 0
    for path in paths:
        if not matches(path, (rule.where,)) or not matches(path.rpartition("/")[2], names):
            continue
        looked_at += 1
        if matches(path, rule.except_in):
            continue
        for number, text, whole in read((root / path).read_text(errors="replace")):
            if pattern.fullmatch(text) if whole else pattern.search(text):
                yield f"{path}:{number}: {text.strip()}"
    if not looked_at:
        yield f"no file matches {rule.where}: the rule checks nothing"


def main(argv: list[str]) -> int:
    root = Path(argv[1]) if len(argv) > 1 else Path(__file__).resolve().parent.parent
    paths = files(root)
    failed = 0
    for rule in RULES:
        found = list(offences(root, paths, rule))
        failed += bool(found)
        if found:
            print(f"FAILED {rule.says}")
            print("\n".join(f"    {line}" for line in found))
    print(f"{len(RULES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
