"""Every row of the table of adoptable options means under a warm pfast what it means in plain pytest.

The table is lib/pfexec/python/_pfast_exec/options.py: ADOPTABLE. A row without a case here fails the last test.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from harness import ROOT, Case

PROJECT = {
    "test_one.py": """
        import pytest

        def test_passes(): print("said by passing")

        @pytest.mark.slow
        def test_fails():
            value = 41
            print("said by failing")
            assert value == 42

        @pytest.mark.xfail(reason="known")
        def test_expected(): assert 0

        @pytest.mark.parametrize("n", [1, 2, 3])
        def test_numbers(n): assert n != 2
    """,
    "test_two.py": """
        import warnings, pytest

        def test_warns(): warnings.warn("careful")

        @pytest.mark.skip(reason="not now")
        def test_skipped(): pass

        def test_tmp(tmp_path): assert tmp_path.is_dir()
    """,
    "pytest.ini": "[pytest]\nmarkers = slow\n",
}

#: dest -> arguments that set it
CASES: dict[str, list[str]] = {
    "keyword": ["-k", "passes or numbers"],
    "markexpr": ["-m", "not slow"],
    "deselect": ["--deselect", "test_one.py::test_fails"],
    "failedfirst": ["--ff"],
    "newfirst": ["--nf"],
    "last_failed_no_failures": ["--ff", "--lfnf=none"],
    "cacheclear": ["--cache-clear"],
    "stepwise": ["--sw"],
    "stepwise_skip": ["--sw", "--sw-skip"],
    "stepwise_reset": ["--sw", "--sw-reset"],
    "maxfail": ["--maxfail=1"],
    "continue_on_collection_errors": ["--continue-on-collection-errors"],
    "verbose": ["-vv"],
    "quiet": ["-q"],
    "no_header": ["--no-header"],
    "no_summary": ["--no-summary"],
    "force_short_summary": ["--force-short-summary"],
    "no_fold_skipped": ["--no-fold-skipped", "-rs"],
    "fold_skipped": ["--no-fold-skipped", "-ra"],
    "reportchars": ["-rA"],
    "disable_warnings": ["--disable-warnings"],
    "max_warnings": ["--max-warnings=5"],
    "showlocals": ["-l"],
    "tbstyle": ["--tb=line"],
    "xfail_tb": ["--xfail-tb"],
    "showcapture": ["--show-capture=no"],
    "fulltrace": ["--full-trace"],
    "color": ["--color=yes"],
    "code_highlight": ["--color=yes", "--code-highlight=no"],
    "durations": ["--durations=3", "-vv"],
    "durations_min": ["--durations=3", "--durations-min=10"],
    "xmlpath": ["--junitxml=out.xml"],
    "junitprefix": ["--junitxml=out.xml", "--junitprefix=pre"],
    "basetemp": ["--basetemp=base"],
    "capture": ["--capture=sys"],
    "usepdb": ["--pdb", "test_two.py"],
    "usepdb_cls": ["--pdbcls=pdb:Pdb", "test_two.py"],
    "trace": ["--pdb", "test_two.py::test_tmp"],
}

#: Options of plugins: their cases are in test_plugins.py.
OF_PLUGINS = {"randomly_seed", "randomly_reset_seed", "randomly_reorganize"}


@pytest.mark.parametrize("dest", sorted(CASES))
def test_option_means_what_it_means_in_pytest(case: Case, dest: str) -> None:
    case.write(PROJECT)
    case.run()  # the generation is warm, and made without the option
    daemon = case.daemon_pid()
    case.plain()  # the oracle's cache has seen the same run
    # Where a run stops is one place only with one worker.
    stops = dest in ("maxfail", "stepwise", "stepwise_skip", "stepwise_reset")
    case.same(*CASES[dest], options=["-n", "1"] if stops else [])
    assert case.daemon_pid() == daemon


def test_every_row_has_a_case() -> None:
    source = Path(ROOT / "lib/pfexec/python/_pfast_exec/options.py").read_text()
    table = next(
        node.value
        for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "ADOPTABLE"
    )
    assert isinstance(table, ast.Dict)
    assert {ast.literal_eval(key) for key in table.keys if key is not None} == set(CASES) | OF_PLUGINS
