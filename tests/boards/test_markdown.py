"""Names from outside on a board: they break no table, mention nobody, and become no link."""

from __future__ import annotations

import pytest

from segbench.boards.markdown import escape
from segbench.text import no_formula


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a|b", "a\\|b"),
        ("**bold** ~~gone~~", "\\*\\*bold\\*\\* \\~\\~gone\\~\\~"),
        ("_x_ smp:Segformer/mit_b0", "\\_x\\_ smp:Segformer/mit_b0"),
        ("@everyone", "@<!-- -->everyone"),
        ("see https://example.org", "see https://<!-- -->example.org"),
        ("WWW.example.org", "WWW.<!-- -->example.org"),
        ("fixes owner/repo#12, GH-12", "fixes owner/repo#<!-- -->12, GH-<!-- -->12"),
        ("&lt;script&gt;", "&amp;lt;script&amp;gt;"),
        ("<!-- x -->", "\\<!-- x --\\>"),
        ("one\ntwo\tthree", "one two three"),
        ("\u202egnp.exe\x1b[31m", "\ufffdgnp.exe\ufffd\\[31m"),
    ],
)
def test_a_name_is_shown_and_does_nothing(name: str, shown: str) -> None:
    assert escape(name) == shown


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_begins_a_formula(cell: str) -> None:
    assert no_formula(cell) == f"'{cell}"
    assert no_formula(-2.0) == -2.0
    assert no_formula("a=1") == "a=1"
