"""libpfcore as others use it: the examples are built outside of the tree against an installation, and run on a real stream."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_tree import ROOT
from daemon_client import Client
from harness import Case

BUILD = Path(os.environ.get("PFAST_BUILD_DIR", ROOT / "build"))
SUITE = {
    "pytest.ini": "[pytest]\n",
    "tests/test_a.py": """
        import pytest

        def test_passes(): pass

        def test_fails(): assert 1 == 2, "a <reason> & more"

        class TestClass:
            @pytest.mark.parametrize("n", [1, 2])
            def test_method(self, n): pass

        @pytest.mark.skip(reason="not now")
        def test_skipped(): pass

        @pytest.fixture
        def broken(): raise RuntimeError

        def test_error(broken): pass

        @pytest.mark.xfail
        def test_expected(): assert 0
    """,
    "tests/test_b.py": "def test_b(): pass\n",
}

#: What is built here is linked and called once: the compiler need not take its time.
QUICK = ("-Doptimization=0", "-Ddebug=false")


def tool(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is missing: test/run.sh installs it"
    return found


def checked(*command: str | Path, **more: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which pkg-config finds an installation of libpfcore."""
    folder = tmp_path_factory.mktemp("installed")
    checked(tool("meson"), "install", "-C", BUILD, "--no-rebuild", "--destdir", folder, "--tags", "devel,runtime")
    (description,) = folder.rglob("pfcore.pc")
    return {**os.environ, "PKG_CONFIG_PATH": str(description.parent), "LD_LIBRARY_PATH": str(description.parent.parent)}


@pytest.fixture(scope="module", params=["meson", "cmake"])
def examples(request: pytest.FixtureRequest, installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with both programs, built by one of the two build systems from copies outside of the tree."""
    folder = tmp_path_factory.mktemp(request.param)
    for name in ("wire-dump", "report-merge"):
        source = folder / name
        shutil.copytree(ROOT / "examples" / name, source)
        if request.param == "meson":
            checked(tool("meson"), "setup", *QUICK, source / "build", source, env=installed)
            checked(tool("ninja"), "-C", source / "build", env=installed)
        else:
            checked("cmake", "-S", source, "-B", source / "build", env=installed)
            checked("cmake", "--build", source / "build", env=installed)
    yield folder


def run(examples: Path, installed: dict[str, str], name: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(examples / name / "build" / name), *map(str, args)], env=installed, capture_output=True, text=True)


def capture(case: Case, file: Path, *argv: str) -> dict[str, str]:
    """What the daemon sent for one run, byte by byte, into *file*. Returns its outcomes."""
    case.run(*argv)
    (address,) = case.runtime.glob("*.sock")
    outcomes = {}
    with Client(str(address)) as client, file.open("wb") as out:
        client.hello()
        client.start_run({}, argv, cwd=str(case.project), env=case.env)
        for event in client.events():
            payload = pickle.dumps(event, protocol=4)
            out.write(struct.pack(">I", len(payload)) + payload)
            if event["type"] == "result":
                outcomes[event["nodeid"]] = event["outcome"]
    return outcomes


def test_headers_stand_alone(installed: dict[str, str], tmp_path: Path) -> None:
    flags = checked("pkg-config", "--cflags", "pfcore", env=installed).split()
    (include,) = [Path(flag[2:]) for flag in flags if flag.startswith("-I")]
    headers = sorted(path.name for path in (include / "pfcore").iterdir())
    assert "pickle_reader.hpp" in headers and "messages.hpp" in headers
    for header in headers:
        text = (include / "pfcore" / header).read_text()
        assert header == "export.hpp" or text.count("PF_CORE_API_BEGIN\nnamespace pf::core") == 1, f"{header} shows nothing"
        source = tmp_path / f"{header}.cpp"
        source.write_text(f"#include <pfcore/{header}>\n#include <pfcore/{header}>\n")
        checked("c++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *flags, source)


def test_the_shared_library_shows_its_own_names_only(installed: dict[str, str]) -> None:
    library = next(Path(installed["LD_LIBRARY_PATH"]).glob("libpfcore.so.*.*"))
    names = checked("nm", "-DC", "--defined-only", library).splitlines()
    strong = [line for line in names if line.split()[1] in "TBDR"]
    assert strong
    assert not [line for line in strong if "pf::core::" not in line]


def test_a_parent_meson_project_links_pfcore_alone(tmp_path: Path) -> None:
    """pfast as a subproject: dependency('pfcore') is its library, and nothing else of pfast is configured."""
    (tmp_path / "subprojects").mkdir()
    (tmp_path / "subprojects" / "pfast").symlink_to(ROOT)
    (tmp_path / "meson.build").write_text("""
project('parent', 'cpp', default_options: ['cpp_std=c++20'])
pfcore_dep = dependency('pfcore', fallback: 'pfast', default_options: ['programs=false', 'default_library=static'])
executable('reads', 'reads.cpp', dependencies: pfcore_dep)
""")
    (tmp_path / "reads.cpp").write_text("""
#include <iostream>
#include <iterator>
#include <string>

#include <pfcore/canon.hpp>
#include <pfcore/pickle_reader.hpp>

int main() {
  const std::string pickle{std::istreambuf_iterator<char>(std::cin), {}};
  const auto document = pf::core::decode_pickle(pickle, pf::core::Limits::control());
  if (!document) return 1;
  std::cout << pf::core::canonical_text(document->root());
}
""")
    build = tmp_path / "build"
    only_here = {**os.environ, "PKG_CONFIG_PATH": ""}
    said = checked(tool("meson"), "setup", *QUICK, build, tmp_path, "--force-fallback-for=pfcore", env=only_here)
    assert "libuv" not in said and "pybind11" not in said
    checked(tool("ninja"), "-C", build, env=only_here)
    done = subprocess.run([build / "reads"], input=pickle.dumps([1, "a"]), capture_output=True)
    assert done.returncode == 0 and done.stdout == b"l[i1,s61]"
    assert subprocess.run([build / "reads"], input=b"cos\nsystem\n.").returncode == 1


def test_examples_run_on_a_real_stream(case: Case, examples: Path, installed: dict[str, str], tmp_path: Path) -> None:
    case.write(SUITE)
    first, second, merged = tmp_path / "first.bin", tmp_path / "second.bin", tmp_path / "merged.xml"
    outcomes = capture(case, first, "tests/test_a.py")
    outcomes |= capture(case, second, "tests/test_b.py")
    assert sorted(set(outcomes.values())) == ["error", "failed", "passed", "skipped", "xfailed"]

    dumped = run(examples, installed, "wire-dump", first, second)
    assert dumped.returncode == 0 and not dumped.stderr
    lines = [json.loads(line) for line in dumped.stdout.splitlines()]
    assert {line["nodeid"]: line["outcome"] for line in lines if line["type"] == "result"} == outcomes
    assert lines[-1]["type"] == "finished"

    done = run(examples, installed, "report-merge", merged, first, second, first)
    assert done.returncode == 1
    assert done.stdout == "1 error, 1 failed, 1 skipped, 1 xfailed, 4 passed\n"
    suite = ElementTree.parse(merged).getroot().find("testsuite")
    assert suite is not None
    cases = {(one.get("classname"), one.get("name")): one for one in suite}
    assert len(cases) == 8 and suite.get("tests") == "8" and suite.get("failures") == "1" and suite.get("errors") == "1"
    assert ("tests.test_a.TestClass", "test_method[2]") in cases
    failure = cases[("tests.test_a", "test_fails")].find("failure")
    assert failure is not None and "a <reason> & more" in str(failure.get("message")) and "assert 1 == 2" in str(failure.text)


def test_broken_streams_are_told(examples: Path, installed: dict[str, str], tmp_path: Path) -> None:
    def frame(payload: bytes) -> bytes:
        return struct.pack(">I", len(payload)) + payload

    broken = tmp_path / "broken.bin"
    good = frame(pickle.dumps(("status", None), protocol=5))
    broken.write_bytes(good + frame(b"\x80\x04cos\nsystem\n.") + good + good[:-2])
    done = run(examples, installed, "wire-dump", broken)
    assert done.returncode == 1
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"tuple": ["status", None]}] * 2
    assert f"frame at byte {len(good)}" in done.stderr and "ends within the frame" in done.stderr
    merged = run(examples, installed, "report-merge", tmp_path / "out.xml", broken)
    assert merged.returncode == 2 and "broken.bin" in merged.stderr
