"""Each file is read for hashing at most once, each sample checked at most once, until it changes."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import tifffile

from segbench.commands.data import verify
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.commands.run import run
from segbench.data.index import DataIndex
from segbench.data.locations import data_sha256
from segbench.data.verification_cache import PARTS
from segbench.datasets.isbi2012 import ISBI2012
from segbench.io import fingerprints
from segbench.io.fingerprints import file_stamp
from segbench.io.reporter import Reporter
from segbench.registry import load_user_module, make_dataset
from segbench.runs.record import read_record
from segbench.runs.request import RunRequest
from segbench.types import Part, Sample
from tiny_roots import MAKERS

QUIET = Reporter(quiet=True)
EVIDENCE = {"arrays.npz", "config.yaml", "statistics.parquet", "threshold.json"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder of its own."""
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file of the data was read for its hash; what a run wrote is hashed too, as its evidence."""
    counts: Counter[str] = Counter()
    read = fingerprints.sha256_of

    def count(file: BinaryIO) -> str:
        if Path(file.name).name not in EVIDENCE:
            counts[Path(file.name).name] += 1
        return read(file)

    monkeypatch.setattr(fingerprints, "sha256_of", count)
    return counts


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, Part]]:
    """How often each part of a sample of ISBI 2012 was decoded."""
    counts: Counter[tuple[str, Part]] = Counter()
    load = ISBI2012.load

    def count(self: ISBI2012, sample_id: str, parts: tuple[Part, ...] = ("image", "labels")) -> Sample:
        counts.update((sample_id, part) for part in parts if self.files(sample_id, part))
        return load(self, sample_id, parts)

    monkeypatch.setattr(ISBI2012, "load", count)
    return counts


def _run(root: Path, out: Path) -> None:
    run(RunRequest("isbi2012", "threshold", root=root, out=out), QUIET)


@pytest.mark.slow
def test_one_run_hashes_each_file_once_and_the_next_none(
    stacks: Path, tmp_path: Path, hashed: Counter[str], decoded: Counter[tuple[str, Part]]
) -> None:
    _run(stacks, tmp_path / "first")
    assert hashed == {"train-volume.tif": 1, "train-labels.tif": 1}
    first = decoded.copy()
    hashed.clear()
    decoded.clear()
    _run(stacks, tmp_path / "second")
    assert hashed == {}
    # The check alone is left out: what is fitted, predicted and scored is decoded for that.
    assert first - decoded == {(f"slice-{n:02d}", part): 1 for n in range(30) for part in ("image", "labels")}
    assert decoded["slice-27", "labels"] == 1
    predictions = tmp_path / "predictions.tif"
    tifffile.imwrite(predictions, np.zeros((5, *tifffile.imread(stacks / "train-labels.tif").shape[1:]), np.uint8))
    evaluate_files(EvaluateRequest("isbi2012", predictions, root=stacks, out=tmp_path / "third"), QUIET)
    assert hashed == {"predictions.tif": 1}
    decoded.clear()
    found = verify("isbi2012", stacks, QUIET)
    assert (found.cached, found.faults) == (30, [])  # the slices of the run; the challenge's are read
    assert not any(sample_id.startswith("slice-") for sample_id, _ in decoded)


@pytest.mark.slow
def test_a_changed_file_is_hashed_anew(stacks: Path, tmp_path: Path, hashed: Counter[str]) -> None:
    _run(stacks, tmp_path / "first")
    labels = tifffile.imread(stacks / "train-labels.tif")
    labels[29, 0, 0] = 255 - labels[29, 0, 0]
    tifffile.imwrite(stacks / "train-labels.tif", labels, photometric="minisblack")
    before = read_record(tmp_path / "first").dataset.data_sha256
    hashed.clear()
    _run(stacks, tmp_path / "first")
    assert hashed == {"train-labels.tif": 1}
    assert read_record(tmp_path / "first").dataset.data_sha256 != before


def test_each_kind_of_change_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    seen = [file_stamp(path)]
    assert file_stamp(path) == seen[0]

    def same_size_and_time() -> None:
        before = path.stat()
        path.write_bytes(b"two")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def replaced() -> None:
        (tmp_path / "other").write_bytes(b"two")
        (tmp_path / "other").replace(path)

    changes: list[Callable[[], object]] = [lambda: path.write_bytes(b"more"), same_size_and_time, replaced]
    for change in changes:
        change()
        seen.append(file_stamp(path))
    assert len(set(seen)) == len(seen)
    with pytest.raises(OSError, match="file-that-is-not-there"):
        file_stamp(tmp_path / "file-that-is-not-there")


def test_a_stamp_waits_for_the_clock(tmp_path: Path) -> None:
    """Two writes in one tick could leave the same stamp, so none is taken in the tick of the first."""
    path = tmp_path / "file"
    for number in range(20):
        path.write_bytes(b"%02d" % number)
        written = path.stat().st_mtime_ns
        file_stamp(path)
        assert time.time_ns() - written >= 20_000_000


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_the_fingerprint_is_that_of_the_files(name: str, tmp_path: Path, hashed: Counter[str]) -> None:
    tiny = MAKERS[name](tmp_path / "root")
    dataset = make_dataset(name, tiny.root)
    ids = dataset.ids("all")
    expected = [data_sha256(dataset, ids, parts) for parts in (("labels",), ("image", "labels"), PARTS)]
    hashed.clear()
    for _ in range(2):
        with DataIndex.of(dataset) as index:
            found = [index.data_sha256(ids, parts) for parts in (("labels",), ("image", "labels"), PARTS)]
        assert found == expected
    files = {path for i in ids for part in PARTS for path in dataset.files(i, part)}
    assert (sum(hashed.values()), len(hashed) <= len(files)) == (len(files), True)


def test_a_part_that_was_not_checked_is_checked_by_who_needs_it(tmp_path: Path) -> None:
    """Labels alone are known to be sound; with the image they are not, and after both each alone is."""
    tiny = MAKERS["medaka"](tmp_path / "root")
    dataset = make_dataset("medaka", tiny.root)
    ids = dataset.ids("all")

    def cached(*parts: Part) -> set[bool]:
        with DataIndex.of(dataset) as index:
            return {finding.cached for finding in index.check(ids, parts)}

    wanted: list[tuple[tuple[Part, ...], bool]] = [(("labels",), False), (("labels",), True)]
    wanted += [(("image", "labels"), False), (("image",), True), (("labels",), True), (PARTS, True)]
    assert [cached(*parts) for parts, _ in wanted] == [{known} for _, known in wanted]


def test_a_fault_is_never_remembered(tmp_path: Path) -> None:
    tiny = MAKERS["voc2012"](tmp_path / "root")
    tiny.labels.write_bytes(b"no picture")
    dataset = make_dataset("voc2012", tiny.root)
    ids = dataset.ids("val")
    for _ in range(2):
        with DataIndex.of(dataset) as index:
            (fault,) = index.faults(ids, ("image", "labels"))
            assert tiny.labels.name in fault


def test_a_sample_is_checked_again_by_changed_code_of_a_base_class(stacks: Path, tmp_path: Path) -> None:
    base, child = tmp_path / "base.py", tmp_path / "child.py"
    base.write_text("from segbench.datasets.isbi2012 import ISBI2012\nclass Base(ISBI2012): pass\n")
    child.write_text("import sys\nclass Child(sys.modules['segbench_user_base'].Base): pass\n")
    try:
        load_user_module("segbench_user_base", base)
        dataset = load_user_module("segbench_user_child", child).Child(stacks)

        def cached() -> set[bool]:
            with DataIndex.of(dataset) as index:
                return {finding.cached for finding in index.check(dataset.ids("test"), ("labels",))}

        assert [cached(), cached()] == [{False}, {True}]
        base.write_text(base.read_text() + "LIMIT = 1\n")
        assert [cached(), cached()] == [{False}, {True}]
    finally:
        for name in ("segbench_user_base", "segbench_user_child"):
            sys.modules.pop(name, None)
