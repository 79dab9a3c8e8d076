"""Methods with several seeds on single classes: as on a score of that class alone, and never two trainings of one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from committed_records import on_whole_split

from commands import Run, printed_json


def trainings(name: str) -> list[Path]:
    """The committed trainings of a method on CamVid, with all labels."""
    records = [
        (folder, json.loads((folder / "record.json").read_text())) for folder in on_whole_split(f"camvid-{name}-*")
    ]
    return [folder for folder, record in records if record["method"]["train_fraction"] == 1]


@pytest.mark.slow
def test_methods_are_compared_on_a_class_as_by_a_score_of_it(bench: Run, tmp_path: Path) -> None:
    one, other = trainings("deeplabv3"), trainings("fpn")
    assert min(len(one), len(other)) > 1
    common = (*one, *other, "--resamples", "200")
    done = bench("compare", *common, "--by-class", "--out", tmp_path / "classes.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "classes.json").read_text())
    labels = [method["label"] for method in found["methods"]]
    assert {(row["a"], row["b"]) for row in found["by_class"]} == {tuple(labels)}
    assert len(found["by_class"]) == 11
    for name in ("car", "sign symbol"):
        alone = printed_json(bench("compare", *common, "--metric", f"iou@{name}", "--json"))
        (pair,) = alone["method_differences"]
        row = next(row for row in found["by_class"] if row["class"] == name)
        sign = 1 if pair["a"] == row["a"] else -1
        assert row["value"] == pytest.approx(sign * pair["value"], abs=1e-12)
        ends = sorted(sign * pair[end] for end in ("low", "high"))
        assert (row["low"], row["high"]) == pytest.approx(ends, abs=1e-12)
        assert row["p"] == pytest.approx(pair["p"], abs=1e-12)
        assert row["p"] <= row["p_adjusted"]
        values = {method["label"]: (method["value"], method["low"], method["high"]) for method in alone["methods"]}
        for side in ("a", "b"):
            shown = tuple(row[f"{what}_{side}"] for what in ("value", "low", "high"))
            assert shown == pytest.approx(values[row[side]], abs=1e-12)
    words = " ".join(bench("compare", *common, "--by-class").stdout.split())
    assert "means over seeds, with its 95 % interval for other samples and other trainings" in words
    assert f"{labels[0]} (a) less {labels[1]} (b), iou" in words
    assert bench("compare", *common, "--by-class", "--out", tmp_path / "classes.csv").returncode == 0
    with (tmp_path / "classes.csv").open(encoding="utf-8") as file:
        assert {row["compared"] for row in csv.DictReader(file) if row["class"]} == {"methods"}


@pytest.mark.slow
def test_trainings_of_one_method_are_not_compared_by_class(bench: Run) -> None:
    done = bench("compare", *trainings("fpn"), "--by-class", "--resamples", "100", "--json")
    assert printed_json(done).get("by_class") is None
    assert "is of one method" in " ".join(done.stderr.split())
