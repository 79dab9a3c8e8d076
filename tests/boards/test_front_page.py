"""What the leaderboards' front page says follows from the records, and oracles are never ranked."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from committed_records import on_whole_split

from commands import Run
from places import ROOT
from segbench.boards import rank_spans
from segbench.boards.board import boards
from segbench.boards.board_plots import write_plots
from segbench.boards.findings import findings
from segbench.boards.front_page import KINDS
from segbench.boards.headings import anchor
from segbench.boards.labels import board_labels
from segbench.boards.ranking import ranking
from segbench.evaluation.rank_intervals import rank_intervals
from segbench.runs.find import find_runs
from segbench.runs.record import Cost, Record, read_record

RECORDS = ROOT / "leaderboards" / "records"


@pytest.fixture(scope="module")
def record() -> Record:
    return read_record(RECORDS / "isbi2012-unet-0b805e1a")


def made(record: Record, name: str, family: str, value: float, width: float = 0.01, **method: Any) -> Record:
    """A record of other scores."""
    score = record.scores["v_rand"].model_copy(update={"value": value, "low": value - width, "high": value + width})
    block = record.method.model_copy(update={"name": name, "family": family, **method})
    return record.model_copy(
        update={"run_id": f"isbi2012-{name}", "method": block, "scores": {**record.scores, "v_rand": score}}
    )


def spans_of(rows: list[Record], p_values: dict[tuple[str, str], float]) -> dict[str, rank_spans.RankSpan]:
    """Spans of rows from the best to the worst with these p values by the names of two; 0.5 where none is given."""
    names = [row.method.name for row in rows]
    pairs = {pair: p_values.get(pair, 0.5) for pair in combinations(names, 2)}
    better = np.array([[pairs.get((one, other), 1.0) < 0.05 for other in names] for one in names])
    spans = rank_intervals(better, np.arange(len(rows), dtype=float))
    block = rank_spans.Tested(len(rows), len(pairs), int(better.sum()), 5, "samples", 1 / 32, False)
    chances = {
        one: {f"isbi2012-{other}": pairs.get((one, other), pairs.get((other, one), 1.0)) for other in names}
        for one in names
    }
    return {
        f"isbi2012-{name}": rank_spans.RankSpan(*span, block, chances[name])
        for name, span in zip(names, spans, strict=True)
    }


def test_learned_above_classical(record: Record) -> None:
    rows = [made(record, "a", "learned", 0.98), made(record, "b", "learned", 0.95), made(record, "c", "classical", 0.9)]
    lead, families = findings(rows, {})
    assert lead.startswith("**a** leads with v_rand 0.9800 [0.9700, 0.9900], fitted in ")
    assert "is 8.0 points ahead of the best classical one, **c**" in families
    assert "chance" not in lead + families, "nothing was tested"
    assert families.endswith(" Every learned method scores above the classical one.")
    lead, families = findings(rows, spans_of(rows, {("a", "c"): 0.0002, ("b", "c"): 0.03}))
    assert lead.endswith("It is ahead of 1 of the 2 others by more than chance; tests cannot tell it from the rest.")
    assert "), by more than chance (p < 0.001 for all 3 pairs together). Every" in families
    assert families.endswith(" Every learned method is ahead of the classical one by more than chance.")
    lead, families = findings(rows, spans_of(rows, {("a", "c"): 0.0002}))
    assert families.endswith(" Every learned method scores above the classical one.")


def test_a_lead_that_tests_cannot_tell(record: Record) -> None:
    """Intervals that overlap say little of a paired difference, so that the tests decide."""
    rows = [made(record, "a", "learned", 0.98), made(record, "c", "classical", 0.6)]
    lead, families = findings(rows, spans_of(rows, {}))
    assert lead.endswith("Tests cannot tell it from the other.")
    assert families.endswith("), which may be chance (p = 0.500).")
    lead, families = findings(rows, spans_of(rows, {("a", "c"): 0.049}))
    assert lead.endswith("It is ahead of the other by more than chance.")
    assert families.endswith("), by more than chance (p = 0.049).")


def test_a_classical_method_between_learned_ones(record: Record) -> None:
    rows = [
        made(record, "a", "learned", 0.91),
        made(record, "c", "classical", 0.905),
        made(record, "b", "learned", 0.8),
    ]
    _, families = findings(rows, spans_of(rows, {("c", "b"): 0.01}))
    assert "0.5 points ahead" in families
    assert families.endswith("Learned methods below **c** by more than chance: **b**.")
    rows.append(made(record, "d", "learned", 0.7))
    _, families = findings(rows, spans_of(rows, {("c", "b"): 0.01}))
    assert families.endswith("Learned methods below **c** by more than chance: **b**; by score alone: **d**.")


def test_a_classical_method_that_leads(record: Record) -> None:
    rows = [made(record, "c", "classical", 0.95), made(record, "a", "learned", 0.9)]
    _, families = findings(rows, {})
    assert families.startswith("The best classical method, **c**, is 5.0 points ahead of the best learned one, **a**")
    assert families.endswith("Learned methods below **c** by score alone: **a**.")


def test_one_family_alone_is_not_compared(record: Record) -> None:
    assert len(findings([made(record, "a", "learned", 0.98)], {})) == 1
    assert findings([], {}) == []


def test_names_from_outside_bring_no_markup(record: Record) -> None:
    rows = [made(record, "<script>|x*", "learned", 0.98), made(record, "y", "classical", 0.5)]
    page = boards(rows)["README.md"]
    assert "<script>" not in page
    assert r"\<script\>\|x\*" in page


def test_an_oracle_is_told_and_not_ranked(record: Record) -> None:
    rows = [made(record, "kmeans", "classical", 0.999, oracle=True), made(record, "a", "learned", 0.9)]
    pages = boards(rows)
    assert "kmeans" not in pages["README.md"]
    table, rest = pages["isbi2012.md"].split("## Not ranked")
    assert "kmeans" not in table
    assert "isbi2012-kmeans: an upper bound, which uses ground truth: v_rand 0.9990" in rest


@pytest.mark.slow
def test_plots_of_equal_records_have_equal_bytes(record: Record, tmp_path: Path) -> None:
    rows = [made(record, "a", "learned", 0.98), made(record, "c", "classical", 0.9)]
    (first,), (second,) = (write_plots(rows, tmp_path / name) for name in ("one", "two"))
    assert first.name == "isbi2012.svg"
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text()
    assert all(word in text for word in (">a<", ">c<", "v_rand", "time to fit", "learned", "classical"))
    assert write_plots(rows[:1], tmp_path / "three") == []


def test_predictions_from_elsewhere_have_no_plot_of_costs(record: Record, tmp_path: Path) -> None:
    rows = [made(record, name, "external", value) for name, value in (("a", 0.9), ("b", 0.8))]
    rows = [row.model_copy(update={"cost": Cost(device=None)}) for row in rows]
    assert write_plots(rows, tmp_path) == []
    assert ".svg" not in boards(rows)["README.md"]


@pytest.mark.slow
def test_the_command_links_the_plot_that_it_writes(bench: Run, tmp_path: Path) -> None:
    chosen = on_whole_split("isbi2012-*")[:3]
    assert bench("leaderboard", *chosen, "--out", "boards").returncode == 0
    assert len(find_runs(chosen)) == 3
    assert "(isbi2012.svg)" in (tmp_path / "boards" / "README.md").read_text()
    assert (tmp_path / "boards" / "isbi2012.svg").is_file()


def test_seeds_of_one_method_are_one_row(record: Record) -> None:
    rows = [made(record, "a", "learned", value, seed=seed) for seed, value in ((2, 0.97), (0, 0.93), (1, 0.95))]
    rows = [row.model_copy(update={"run_id": f"isbi2012-a-{row.method.seed}"}) for row in rows]
    rows.append(made(record, "b", "learned", 0.96))
    pages = boards(rows)
    table = [line for line in pages["isbi2012.md"].partition("<details>")[0].splitlines() if line.startswith("| ")]
    assert [line.split("|")[2].strip() for line in table] == ["method", "● b", "● a"]
    assert "0.9500 [0.9400, 0.9600] ± 0.0200 (3 seeds)" in table[2]
    assert "| 0, 1, 2 " in pages["isbi2012.md"]
    assert "standard deviation of v_rand over the seeds" in pages["isbi2012.md"]
    group, *_ = ranking(rows)
    (row,) = (row for row in group.rows if row.method.name == "a")
    assert (row.seeds, row.runs) == ([0, 1, 2], ["isbi2012-a-0", "isbi2012-a-1", "isbi2012-a-2"])
    assert row.scores["v_rand"].value == pytest.approx(0.95)
    assert row.std_over_seeds == pytest.approx(0.02)


def test_a_row_has_seven_columns_and_the_second_score_of_its_dataset(record: Record) -> None:
    page = boards([made(record, "a", "learned", 0.98), made(record, "c", "classical", 0.9)])["isbi2012.md"]
    shown = page.partition("<details>")[0]
    header, _, first, second = (line for line in shown.splitlines() if line.startswith("|"))
    names = [cell.strip() for cell in header.strip("|").split("|")]
    assert names == ["rank", "method", "v_rand", "v_info", "time to fit", "per image", "labels"]
    assert "● a" in first
    assert "■ c" in second
    assert "● learned, ■ classical" in shown


@pytest.mark.parametrize("page", sorted((ROOT / "leaderboards").glob("*.md")), ids=lambda path: path.stem)
def test_what_is_not_unfolded_fits_a_page(page: Path) -> None:
    text = re.sub(r"<details>.*?</details>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    widths = [line.count("|") - 1 for line in text.splitlines() if line.startswith("|")]
    assert widths
    assert max(widths) <= 7


def test_rows_of_one_method_are_told_apart_by_what_was_set(record: Record) -> None:
    rows = [
        made(record, "unet", "learned", value, preset=preset, config={"n": place}).model_copy(
            update={"run_id": f"isbi2012-unet-{place}", "command": f"bench run --method unet {words}"}
        )
        for place, (value, preset, words) in enumerate(
            [
                (0.95, "quick", ""),
                (0.96, "quick", "--set depth=3"),
                (0.97, "standard", "--set depth=3 --set crop=64"),
                (0.98, "standard", "--set depth=3 --set crop=64 --weights runs/isbi2012-unet-2 --set tta=d4"),
            ]
        )
    ]
    assert board_labels(rows) == ["unet (quick)", "unet (quick, depth=3)", "unet (standard)", "unet (tta=d4)"]


def test_a_run_with_the_weights_of_another_is_named_by_what_it_does_otherwise(record: Record) -> None:
    first = made(record, "unet", "learned", 0.9, config={"tta": "none"}).model_copy(
        update={"command": "bench run --method unet"}
    )
    block = first.method.model_copy(
        update={"config": {"tta": "none", "close_gaps": 0.3}, "chosen": {"weights_of": first.run_id}}
    )
    words = f"bench run --method unet --weights runs/{first.run_id}"
    again = first.model_copy(update={"run_id": "isbi2012-unet-b", "method": block, "command": words})
    assert board_labels([again, first]) == ["unet (close_gaps=0.3)", "unet (quick)"]
    assert board_labels([again, again.model_copy(update={"command": "bench run --method unet"})])[0] == (
        "unet (weights of unet)"
    )


def test_one_seed_run_twice_is_not_averaged(record: Record) -> None:
    rows = [made(record, "a", "learned", value) for value in (0.97, 0.93)]
    rows[1] = rows[1].model_copy(update={"run_id": "isbi2012-again"})
    assert [len(group.rows) for group in ranking(rows)] == [2]


def test_every_command_is_told(record: Record) -> None:
    row = made(record, "a", "learned", 0.9).model_copy(update={"command": "bench run\n\n--set x=</pre><b>"})
    page = boards([row])["isbi2012.md"]
    assert "<pre>\na a: bench run --set x=&lt;/pre&gt;&lt;b&gt;\n</pre>" in page


@pytest.mark.slow
def test_runs_on_a_part_of_the_labels_are_no_rivals(record: Record, tmp_path: Path) -> None:
    rows = [
        made(record, "a", "learned", 0.9, train_fraction=1.0, n_train=20.0),
        made(record, "a", "learned", 0.6, train_fraction=0.1, n_train=2.0),
        made(record, "b", "classical", 0.8, train_fraction=1.0, n_train=20.0),
        # Settings of its own: part of no curve.
        made(record, "a", "learned", 0.95, train_fraction=0.5, n_train=10.0, config={"depth": 2}),
    ]
    rows = [row.model_copy(update={"run_id": f"isbi2012-{k}"}) for k, row in enumerate(rows)]
    pages = boards(rows)
    ranked, _, fewer = pages["isbi2012.md"].partition("### With fewer labels")
    assert ranked.count("| learned ") == 1
    assert fewer.count("| learned ") == 2
    assert "![score against the number of labelled samples](isbi2012-labels.svg)" in fewer
    front = pages["README.md"]
    assert "**a** leads with v_rand 0.9000" in front
    assert (
        "**a** reaches v_rand 0.6000 [0.5900, 0.6100] with 2 labelled samples, and 0.9000 [0.8900, 0.9100] with 20."
        in front
    )
    assert [path.name for path in write_plots(rows, tmp_path)] == ["isbi2012.svg", "isbi2012-labels.svg"]
    assert "labelled images trained on" in (tmp_path / "isbi2012-labels.svg").read_text(encoding="utf-8")


def test_real_data_stands_first_and_synthetic_data_last() -> None:
    """In the index and in what is said below it; a release with a part of a split is no whole split."""
    front = (ROOT / "leaderboards" / "README.md").read_text(encoding="utf-8")
    for after in ("\n", ": what the boards say\n"):
        places = [front.index(f"## {kind}{after}") for kind in KINDS]
        assert places == sorted(places)
    index, over = front.partition("\n## Over datasets")[::2]
    whole, part, synthetic = (index.partition(f"## {kind}\n")[2].partition("\n## ")[0] for kind in KINDS)
    for text, wanted in (
        (whole, ["camvid", "drive", "isbi2012", "isbi2012", "voc2012"]),
        (part, ["voc2012", "voc2012"]),
    ):
        assert re.findall(r"^\| \[(\w+)\]", text, re.MULTILINE) == wanted
    assert "figures-274" not in whole
    assert part.count("figures-274") >= 2
    assert "never ranked with real data" in synthetic
    assert not re.search(r"^### \[.*SYNTHETIC", over.partition(f"## {list(KINDS)[2]}: what")[0], re.MULTILINE)
    assert all(
        "SYNTHETIC" in line for line in re.findall(r"^### \[.*", over.partition("SYNTHETIC data: what")[2], re.M)
    )


def test_links_of_the_front_page_lead_to_sections_and_plots() -> None:
    folder = ROOT / "leaderboards"
    links = re.findall(r"\]\(([^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 40
    assert {path.name for path in folder.glob("*.svg")} == {link for link in links if link.endswith(".svg")}
    for link in links:
        file, _, section = link.partition("#")
        assert (folder / file).is_file(), link
        if section:
            headings = re.findall(r"^## (.*)", (folder / file).read_text(encoding="utf-8"), re.MULTILINE)
            assert section in {anchor(heading) for heading in headings}, link


def test_names_of_committed_rows_hold_no_ends_of_ids() -> None:
    for page in (ROOT / "leaderboards").glob("*.md"):
        text = re.sub(r"<details>.*?</details>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        names = re.findall(r"[●■◆✚] ([^|]*)", text) + re.findall(r"\*\*(.*?)\*\*", text)
        assert not [name for name in names if re.search(r"(?<![0-9a-f])[0-9a-f]{8}(?![0-9a-f])", name)]


def test_rows_that_start_from_runs_or_join_them_are_named_by_what_those_are(record: Record) -> None:
    def row(number: int, words: str, seed: int = 0, **method: Any) -> Record:
        made_of = made(record, "unet", "learned", 0.9, seed=seed, **method)
        command = f"bench run --method unet {words}"
        return made_of.model_copy(update={"run_id": f"isbi2012-unet-{number:08x}", "command": command})

    first, second = (row(n, "--set epochs=110", seed=n, config={"epochs": 110}) for n in (0, 1))
    started = [row(n + 2, f"--init runs/{run.run_id}", n, config={"n": n}) for n, run in enumerate((first, second))]
    assert board_labels([first, *started]) == [
        "unet (epochs=110)",
        "unet (init=unet, seed 0)",
        "unet (init=unet, seed 1)",
    ]
    assert board_labels([first, started[0]]) == ["unet (epochs=110)", "unet (init=unet)"]
    elsewhere = row(9, "--set init=runs/camvid-fcn-0123abcd")
    assert board_labels([first, elsewhere])[1] == "unet (init=camvid-fcn)"
    joined = [
        row(n, "", n_train=labels, config={"runs": runs, "methods": ["unet"] * 2})
        for n, labels, runs in ((20, 20.0, ["a", "b"]), (21, 25.0, ["c", "d"]))
    ]
    assert board_labels(joined) == ["unet (members=2 unet, 20 labels)", "unet (members=2 unet, 25 labels)"]
    same = [row.model_copy(update={"method": row.method.model_copy(update={"n_train": 20.0})}) for row in joined]
    assert board_labels(same) == ["unet (members=2 unet, a+b)", "unet (members=2 unet, c+d)"]


def sections(page: str) -> list[str]:
    """The anchors of a page's sections, as links name them."""
    return [anchor(line.removeprefix("## ")) for line in page.splitlines() if line.startswith("## ")]


def test_sections_of_one_heading_have_anchors_of_their_own(record: Record) -> None:
    """The same split of the same number of samples, of other data: two sections, and links that tell them apart."""
    other = made(record, "fcn", "learned", 0.8)
    data = other.dataset.model_copy(update={"data_sha256": "0" * 64})
    pages = boards([made(record, "unet", "learned", 0.9), other.model_copy(update={"dataset": data})])
    anchors = [each for each in sections(pages["isbi2012.md"]) if each.startswith("split-test")]
    assert len(anchors) == len(set(anchors)) == 2
    linked = re.findall(r"\(isbi2012\.md#([^)]*)\)", pages["README.md"])
    assert sorted(set(linked)) == sorted(anchors)


def test_every_link_of_the_committed_boards_leads_to_a_section() -> None:
    pages = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "leaderboards").glob("*.md")}
    for page in pages.values():
        assert len(sections(page)) == len(set(sections(page)))
        for target in re.findall(r"\]\(([^)#:]*(?:#[^)]*)?)\)", page):
            name, _, place = target.partition("#")
            assert (ROOT / "leaderboards" / name).exists()
            assert not place or place in sections(pages[name])
