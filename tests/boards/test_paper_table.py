"""The table of a paper: values are those of the records, seeds are one row, and marks say what tests say."""

from __future__ import annotations

import io
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from committed_records import RECORDS
from evaluated_runs import evaluated, truth

from own_folders import QUIET
from segbench.boards.paper_caption import caption
from segbench.boards.paper_document import PaperTable, TableCell, TableColumn
from segbench.boards.paper_formats import as_csv, as_latex, as_markdown, label_of, tex
from segbench.boards.paper_table import _beaten, distinguished
from segbench.boards.rank_spans import rank_spans
from segbench.commands.table import table
from segbench.evaluation.over_seeds import MethodTest
from segbench.runs.find import find_runs
from segbench.runs.record import read_record
from segbench.runs.stored_requests import TableRequest
from segbench.types import UserError

HOSTILE = r"a_b & 50% #1 $x$ {y} ~z^ \input{q} | `--`'' [0] *"


def made(*runs: Path, scores: Sequence[str] = (), **options: object) -> PaperTable:
    return table(TableRequest(runs or (RECORDS,), tuple(scores), **options), QUIET).table  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods on one folder of masks: two that are alike, one that is bad and has a hostile name."""
    base = tmp_path_factory.mktemp("paper")
    root = truth(base / "mine", 12)
    for place, (name, wrong) in enumerate((("good", 0.05), ("alike", 0.05), (HOSTILE, 0.4), ("=1+1", 0.3))):
        parts = [wrong + 0.01 * (number % 3) for number in range(12)]
        evaluated(root, base / "runs" / f"run-{place}", parts, name=name, seed=place)
    return base / "runs"


@pytest.fixture(scope="module")
def camvid() -> PaperTable:
    return made(dataset="camvid", scores=["miou", "dice"], tests=False)


def test_values_are_those_of_the_records(camvid: PaperTable) -> None:
    assert len(camvid.rows) == 25
    for row in camvid.rows:
        records = [read_record(RECORDS / run_id) for run_id in row.run_ids]
        assert row.seeds == [record.method.seed for record in records]
        for column, cell in zip(camvid.columns, row.cells, strict=True):
            for key in ("value", "low", "high"):
                each = [getattr(record.scores[column.score], key) for record in records]
                assert getattr(cell, key) == pytest.approx(statistics.fmean(each), abs=1e-15)
            values = [record.scores[column.score].value for record in records]
            assert cell.sd == (None if len(values) == 1 else statistics.stdev(v for v in values if v is not None))


def test_runs_that_differ_in_their_seed_are_one_row(camvid: PaperTable) -> None:
    (fcn,) = (row for row in camvid.rows if row.label == "fcn (epochs=5)")
    assert (len(fcn.run_ids), fcn.seeds) == (2, [0, 1])
    assert "mean over 2 seeds ± standard deviation" in " ".join(caption(camvid))
    assert re.search(r"\| fcn \(epochs=5\) +\| 2 +\| 37\.1 ± 1\.2 \[36\.4, 37\.7\]", as_markdown(camvid))


def test_families_stand_apart_and_the_best_first(camvid: PaperTable) -> None:
    assert [family for family, _ in camvid.families] == ["classical", "learned"]
    for _, rows in camvid.families:
        values = [row.cells[0].value or 0 for row in rows]
        assert values == sorted(values, reverse=True)
    assert as_latex(camvid).count("\\midrule") == 2


def test_marks_are_those_of_the_board() -> None:
    found = [run for run in find_runs([RECORDS]) if run.record.dataset.name == "isbi2012" and run.record.dataset.folds]
    spans = rank_spans(found)
    shown = made(*(run.folder for run in found), scores=["v_rand"])
    (best,) = (row for row in shown.rows if row.cells[0].best)
    told = {row.run_ids[0]: row.cells[0].not_told_from_best for row in shown.rows if row is not best}
    assert told == {name: not spans[best.run_ids[0]].differs(name) for name in told}
    assert set(told.values()) == {True, False}
    assert shown.columns[0].pairs == 15
    assert "all 15 pairs of methods" in " ".join(caption(shown))


def test_what_cannot_be_told_from_the_best_is_marked(folder: Path) -> None:
    shown = made(folder, scores=["dice"])
    marks = {row.label: row.cells[0].not_told_from_best for row in shown.rows}
    best = next(row.label for row in shown.rows if row.cells[0].not_told_from_best is None)
    assert best in ("good", "alike")
    assert {name for name, mark in marks.items() if mark} == {"good", "alike"} - {best}


COLUMN = TableColumn(
    name="a", title="a", score="a", of_class=False, unit="fraction", higher_is_better=True, percent=True, decimals=1
)


@pytest.mark.parametrize(
    ("values", "higher", "best", "second"),
    [
        ([0.5, 0.7, 0.6, None], True, [1], [2]),
        ([0.5, 0.7, 0.6], False, [0], [2]),
        ([0.7001, 0.7004, 0.6, 0.6001], True, [0, 1], [2, 3]),
        ([0.7, 0.7], True, [0, 1], []),
        ([0.7, None], True, [], []),
    ],
)
def test_best_and_second_go_by_what_is_shown(
    values: list[float | None], higher: bool, best: list[int], second: list[int]
) -> None:
    column = COLUMN.model_copy(update={"higher_is_better": higher})
    cells = distinguished(column, [TableCell(value=value) for value in values])
    assert [place for place, cell in enumerate(cells) if cell.best] == best
    assert [place for place, cell in enumerate(cells) if cell.second] == second


def test_what_is_better_than_the_best_is_not_beaten() -> None:
    tests = [MethodTest(0, 1, -0.2, 0.01, 0.01), MethodTest(1, 2, 0.3, 0.01, 0.01), MethodTest(0, 2, 0.1, 0.2, 0.2)]
    assert _beaten(1, tests, 1) == {0, 2}
    assert _beaten(0, tests, 1) == set()
    assert _beaten(0, tests, -1) == {1}


def test_classes_are_columns_and_the_mean_stands_behind_them() -> None:
    shown = made(dataset="camvid", by_class=True, tests=False)
    record = read_record(RECORDS / "camvid-slic-ff931fd1")
    assert [column.name for column in shown.columns] == [*record.per_class, "miou"]
    (slic,) = (row for row in shown.rows if row.label == "slic")
    assert [cell.value for cell in slic.cells[:-1]] == [row["iou"] for row in record.per_class.values()]
    assert slic.cells[-1].value == record.main_value
    assert label_of(shown) == "tab:camvid-test-classes"
    dice = made(dataset="camvid", by_class=True, scores=["dice"], tests=False)
    assert dice.rows[0].cells[0].value != shown.rows[0].cells[0].value


def test_csv_is_read_back_by_pandas(camvid: PaperTable) -> None:
    back = pd.read_csv(io.StringIO(as_csv(camvid)))
    assert len(back) == len(camvid.rows) * 2
    found = back[(back.method == "slic") & (back.score == "miou")].iloc[0]
    score = read_record(RECORDS / "camvid-slic-ff931fd1").scores["miou"]
    assert (found.value, found.low, found.high) == (score.value, score.low, score.high)
    assert (found.seeds, found.unit, bool(found.best)) == (1, "fraction", False)
    assert back.not_told_from_best.isna().all()
    assert back.groupby("score").best.sum().tolist() == [1, 1]


def test_no_name_is_a_formula_and_none_breaks_the_csv(folder: Path) -> None:
    back = pd.read_csv(io.StringIO(as_csv(made(folder, scores=["dice"]))))
    assert set(back.method) == {"good", "alike", "'=1+1", HOSTILE}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a_b & c%", r"a\_b \& c\%"),
        ("#$ {x}", r"\#\$ \{x\}"),
        ("~^\\|", r"\textasciitilde{}\textasciicircum{}\textbackslash{}\textbar{}"),
        ("one\ntwo\\\\", r"one two\textbackslash{}\textbackslash{}"),
        ("[x]*", "{[}x{]}{*}"),
        ("a--b ''", "a-{}-b '{}'"),
        ("naïve Ångström ß", r"na\"{i}ve \r{A}ngstr\"{o}m \ss{}"),
        ("細胞", "{[}U+7D30{]}{[}U+80DE{]}"),
        ("5 µm ± 1 †", r"5 $\mu$m $\pm$ 1 $^{\dagger}$"),
    ],
)
def test_a_name_in_latex_is_shown_and_does_nothing(name: str, shown: str) -> None:
    assert tex(name) == shown


_COMMANDS = {
    *("begin", "end", "centering", "caption", "label", "footnotesize", "scriptsize", "setlength", "tabcolsep"),
    *("toprule", "midrule", "bottomrule", "multicolumn", "emph", "textbf", "underline", "dagger", "pm"),
    *("uparrow", "downarrow", "textbackslash", "textasciitilde", "textasciicircum", "textbar", "mu"),
}
"""Of LaTeX itself and booktabs."""


def assert_sound(text: str) -> None:
    """LaTeX that an engine takes: ASCII, known commands, balanced groups, and rows of as many cells as columns."""
    assert text.isascii()
    text = re.sub(r"(?m)^%.*\n", "", text).replace("\\caption{%\n", "\\caption{")
    assert set(re.findall(r"\\([a-zA-Z]+)", text)) <= _COMMANDS
    assert re.findall(r"\\begin\{(\w+)\}", text) == re.findall(r"\\end\{(\w+)\}", text)[::-1]
    bare = re.sub(r"\\[^a-zA-Z]", "", text.replace("\\\\", ""))
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    assert not re.search(r"[#%~]", bare)
    assert bare.count("$") % 2 == 0
    outside = re.sub(r"\$[^$]*\$", "", bare)
    assert not re.search(r"[_^]", outside)
    columns = re.search(r"\\begin\{tabular\}\{(.*)\}\n", text)
    assert columns
    wide = len(re.findall("[lr]", columns[1]))
    rows = [line for line in text.splitlines() if line.endswith(" \\\\")]
    for row in rows:
        spanned = sum(int(number) - 1 for number in re.findall(r"\\multicolumn\{(\d+)\}", row))
        assert len(re.findall(r"(?<!\\)&", row)) + 1 + spanned == wide, row
        assert not row.startswith(("[", "*"))


def test_latex_is_sound(folder: Path, camvid: PaperTable) -> None:
    hostile = as_latex(made(folder))
    assert_sound(hostile)
    assert tex(HOSTILE) in hostile
    assert_sound(as_latex(camvid))
    assert "\\label{tab:camvid-test}" in as_latex(camvid)
    for broken in ("\\textbf{a} & \\\\\n", "{", "\\input{x}", "a_b", "50 % of", "é"):
        with pytest.raises(AssertionError):
            assert_sound(as_latex(camvid).replace("\\bottomrule", broken + "\\bottomrule"))


def test_markdown_has_the_marks_and_escapes_names(folder: Path) -> None:
    text = as_markdown(made(folder, scores=["dice"]))
    assert "†" in text
    assert "\\[0\\] \\*" in text
    assert "**" in text
    assert "<ins>" in text
    widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {3}


def test_without_percent_and_intervals() -> None:
    options = {"dataset": "camvid", "scores": ["miou"], "tests": False}
    text = as_markdown(made(**options, percent=False, intervals=False))  # type: ignore[arg-type]
    assert re.search(r"\| slic +\| 1 +\| 0\.334 +\|", text)
    assert "[" not in text
    assert "%" not in text


def test_synthetic_data_and_parts_are_said_first() -> None:
    synthetic = made(dataset="cityscapes", scores=["iou_class"], tests=False)
    assert caption(synthetic)[0].startswith("SYNTHETIC DATA")
    folders = [run.folder for run in find_runs([RECORDS]) if run.record.dataset.whole_n]
    part = made(*folders, scores=["miou"], tests=False)
    assert caption(part)[0].startswith("A PART OF THE SPLIT, 440 of 1449 samples")


def test_undefined_values_are_dashes() -> None:
    shown = made(dataset="medaka", scores=["hausdorff95"], tests=False)
    (constant,) = (row for row in shown.rows if row.label == "constant")
    assert constant.cells[0].value is None
    assert re.search(r"\| constant +\| 1 +\| – +\|", as_markdown(shown))
    assert "constant & 1 & -- & \\\\" in re.sub(" +", " ", as_latex(shown))
    assert "–: undefined." in caption(shown)
    assert {row.cells[0].best for row in shown.rows if row.label == "unet (epochs=270)"} == {True}


def test_runs_of_other_data_are_refused_with_what_to_type() -> None:
    with pytest.raises(UserError, match="11 groups that may not stand in one table") as caught:
        made()
    assert "isbi2012, 5-fold cross-validation, 30 samples, 6 runs: --dataset isbi2012 --split all" in str(caught.value)
    with pytest.raises(UserError, match="--split val --source synthetic"):
        made(dataset="voc2012")
    assert len(made(dataset="voc2012", source="synthetic", scores=["miou"], tests=False).rows) == 8


def test_methods_fitted_on_a_part_of_the_labels_are_named_and_left_out(camvid: PaperTable) -> None:
    assert {each.why for each in camvid.left_out} == {"fitted on a part of the labels"}
    assert len(camvid.left_out) == 18
