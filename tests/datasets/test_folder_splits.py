"""Splits of your own folder: listed, by subfolder, or by a rule that keeps groups whole."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from own_folders import (
    QUIET,
    THREE,
    write_folder,
)
from segbench.commands.data import verify
from segbench.data.own_folder import classes_file
from segbench.data.own_folder.classes_file import parse_text
from segbench.data.own_folder.splits import cut
from segbench.data.splits import cuts_groups, plan_folds
from segbench.datasets.folder import Folder
from segbench.io.reporter import Reporter
from segbench.runs.open_data import note_size
from segbench.testing import check_dataset
from segbench.types import UserError


def test_subfolders_are_groups_and_stay_whole(tmp_path: Path) -> None:
    names = [f"video {v}/day/{n:02d}" for v in range(9) for n in range(4)]
    dataset = Folder(write_folder(tmp_path, names))
    check_dataset(dataset)
    assert dataset.group("video 3__day__02") == "video 3/day"
    assert dataset.load("video 3__day__02").index == 2
    groups = [{dataset.group(i) for i in dataset.ids(split)} for split in ("train", "val", "test")]
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups)) == 9
    assert "stays whole" in dataset.info.splits["test"].summary
    ids = dataset.ids("all")
    assert dataset.match_prediction(Path("out/video 3/day/02_mask.png"), ids) == "video 3__day__02"
    assert dataset.match_prediction(Path("02.png"), ids) is None


def sizes(dataset: Folder) -> list[int]:
    return [len(dataset.ids(split)) for split in ("train", "val", "test")]


@pytest.mark.parametrize("names", ["s{:d}", "IMG_{:04d}", "{:d}", "scan {:d} left"])
@pytest.mark.parametrize(
    ("count", "wanted"), [(40, [28, 6, 6]), (10, [6, 2, 2]), (100, [70, 15, 15]), (23, [17, 3, 3])]
)
def test_images_that_stand_alone_are_cut_by_rank(names: str, count: int, wanted: list[int], tmp_path: Path) -> None:
    dataset = Folder(write_empty(tmp_path, [names.format(n * 3 + 1) for n in range(count)]))
    assert sizes(dataset) == wanted
    assert sorted(i for split in dataset.info.splits for i in dataset.ids(split)) == sorted(dataset.ids("all"))
    assert {dataset.group(i) for i in dataset.ids("all")} == set(dataset.ids("all"))
    assert "rank" in dataset.info.splits["test"].summary


def write_empty(root: Path, names: Iterable[str]) -> Path:
    """Masks that nobody reads."""
    for name in names:
        path = root / "masks" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "classes.yaml").write_text(THREE)
    return root


@given(st.dictionaries(st.text("abc123", min_size=1), st.integers(1, 60), min_size=1, max_size=30))
def test_groups_stay_whole_and_shares_are_as_near_as_they_allow(groups: dict[str, int]) -> None:
    split_of = cut(groups)
    assert split_of.keys() == groups.keys()
    held = {name: sum(n for group, n in groups.items() if split_of[group] == name) for name in ("train", "val", "test")}
    total, largest = sum(groups.values()), max(groups.values())
    assert [name for name, n in held.items() if n] == ["train", "val", "test"][: len(groups)] or (
        len(groups) == 2 and held["val"] == 0 < held["test"]
    )
    for name, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        assert abs(held[name] - share * total) <= 2 * largest + 1
    assert cut(dict(reversed(groups.items()))) == split_of  # the order of the files does not matter


def test_one_long_video_does_not_take_the_test_split(tmp_path: Path) -> None:
    names = [f"long/{n}" for n in range(60)] + [f"short {v}/{n}" for v in range(4) for n in range(5)]
    dataset = Folder(write_empty(tmp_path, names))
    assert sizes(dataset) == [60, 10, 10]
    assert {dataset.group(i) for i in dataset.ids("train")} == {"long"}


def test_a_flat_folder_is_no_video(tmp_path: Path) -> None:
    dataset = Folder(write_empty(tmp_path, [*"abcdefgh", "train/x", "train/y", "train/film/1", "train/film/2"]))
    assert dataset.group("a") == "a"
    assert (dataset.group("train__x"), dataset.group("train__film__2")) == ("train__x", "train/film")
    assert dataset.load("train__film__2", ()).index == 1
    assert not cuts_groups(dataset, 5)
    film = tmp_path / "film"
    write_empty(film, "abcdefgh")
    (film / "classes.yaml").write_text(f"{THREE}frames_per_second: 25\n")
    frames = Folder(film)
    assert {frames.group(i) for i in frames.ids("all")} == {"folder"}
    assert cuts_groups(frames, 5)
    assert frames.info.version != dataset.info.version


def test_records_of_another_rule_are_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    today = parse_text(THREE, "classes.yaml", "mine").version
    monkeypatch.setattr(classes_file, "RULE", 1)
    assert parse_text(THREE, "classes.yaml", "mine").version != today


def test_a_test_split_of_hardly_any_samples_is_warned_of(tmp_path: Path) -> None:
    root = write_folder(tmp_path, [f"s{n}" for n in range(12)])
    few = "split 'test' has 2 samples, too few to tell methods apart"
    assert few in verify("folder", root, QUIET, cache=False).warnings
    reporter = Reporter(quiet=True)
    for split, wanted in (("test", [few]), ("train", [])):
        reporter.warnings.clear()
        note_size(Folder(root), split, len(Folder(root).ids(split)), {}, reporter)
        assert reporter.warnings == wanted


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_a_few_samples_still_give_every_split_one(count: int, tmp_path: Path) -> None:
    for start in range(8):
        dataset = Folder(write_folder(tmp_path / str(start), [f"s{start * 10 + n}" for n in range(count)]))
        assert dataset.ids("train")
        assert dataset.ids("test")
        if count > 2:
            assert dataset.ids("val")
        else:
            with pytest.raises(UserError, match=r"'val'.*is empty"):
                dataset.ids("val")


def test_listed_splits(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b b", "v/c", "d"])
    (root / "splits").mkdir()
    (root / "splits" / "train.txt").write_text("\ufeffd\r\n\r\nv/c.png\r\n", encoding="utf-8")
    (root / "splits" / "test.txt").write_text("a_mask\n")
    dataset = Folder(root)
    check_dataset(dataset)
    assert (dataset.ids("train"), dataset.ids("test")) == (("d", "v__c"), ("a",))
    assert dataset.info.splits.keys() == {"train", "test"}
    assert "splits/test.txt" in dataset.info.splits["test"].summary
    assert any(
        "in no split (first: 'b b')" in warning for warning in verify("folder", root, QUIET, cache=False).warnings
    )
    with pytest.raises(UserError, match="no split 'val'"):
        dataset.ids("val")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("../x", "leads out of the folder"),
        ("v/../../x", "leads out of the folder"),
        ("/etc/passwd", "leads out of the folder"),
        ("..\\x", "leads out of the folder"),
        ("C:\\x", "leads out of the folder"),
        ("nobody", "no sample 'nobody'"),
        ("b", "named before, by train.txt, line 1"),
    ],
)
def test_wrong_lines_of_a_split_are_named(line: str, words: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b"])
    (root / "splits").mkdir()
    (root / "splits" / "train.txt").write_text("b\n")
    (root / "splits" / "test.txt").write_text(f"a\n{line}\n")
    with pytest.raises(UserError, match=re.escape("test.txt, line 2: ") + f".*{words}"):
        Folder(root)


def test_splits_of_other_names_are_not_passed_over(tmp_path: Path) -> None:
    root = write_folder(tmp_path, ["a", "b"])
    (root / "splits").mkdir()
    (root / "splits" / "training.txt").write_text("a\n")
    with pytest.raises(UserError, match=r"holds none of train.txt"):
        Folder(root)


def test_subfolders_called_train_and_test_are_the_splits(tmp_path: Path) -> None:
    dataset = Folder(write_folder(tmp_path, ["train/a", "train/b", "test/a", "valid/x/a"]))
    check_dataset(dataset)
    assert dataset.ids("train") == ("train__a", "train__b")
    assert (dataset.ids("val"), dataset.ids("test")) == (("valid__x__a",), ("test__a",))
    (tmp_path / "masks" / "test" / "a.png").unlink()
    blind = Folder(tmp_path)
    assert not blind.info.splits["test"].labelled
    assert blind.ids("test") == ("test__a",)
    assert blind.check() == []


def test_one_sample_makes_no_folds(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--folds 5: there is 1 labelled sample; to learn from some and score others"):
        plan_folds(Folder(write_folder(tmp_path, ["s"])), 5, "all", 1.0, 0)
