"""Decoded images in files: the same pairs as decoded anew, damage is mended, and the limit holds."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loaded_pairs import cached, load, of, same, settings, write_frames
from PIL import Image

from segbench.datasets.medaka import Medaka
from segbench.methods.training.cache import SampleKeys
from segbench.methods.training.loading import PairDataset, loader
from segbench.types import Samples
from warm_processes import WarmProcess

pytestmark = pytest.mark.slow


@pytest.fixture
def frames(tmp_path: Path) -> Medaka:
    return write_frames(tmp_path / "medaka")


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.npz"))


class Undecodable(Medaka):
    """Proves that a pair came from the cache."""

    def load(self, *_: Any) -> Any:
        raise AssertionError("decoded although it was in the cache")


def blind(pairs: PairDataset) -> PairDataset:
    """The same dataset, which cannot decode any more but has the same keys."""
    copy = PairDataset(pairs.samples, pairs.config, pairs.info, pairs.cache)
    copy.samples = Samples(Undecodable(pairs.samples.dataset.root), pairs.samples.ids)
    return copy


@pytest.mark.parametrize("values", [{}, {"input": "rgb"}, {"size": [16, 24]}], ids=str)
def test_a_cached_pair_is_the_decoded_one(frames: Medaka, tmp_path: Path, values: Any) -> None:
    first = cached(frames, tmp_path / "cache", **values)
    decoded = [first[index] for index in range(6)]
    again = blind(cached(frames, tmp_path / "cache", **values))
    assert all(same(again[index], decoded[index]) for index in range(6))
    assert len(files(tmp_path / "cache")) == 6
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_what_was_prepared_otherwise_is_another_entry(frames: Medaka, tmp_path: Path) -> None:
    config = settings()
    keys = {
        SampleKeys(of(frames), config, frames.info).key(0),
        SampleKeys(of(frames), config, frames.info).key(1),
        SampleKeys(of(frames), settings(input="rgb"), frames.info).key(0),
        SampleKeys(of(frames), settings(size=[32, 32]), frames.info).key(0),
        SampleKeys(of(frames), config, replace(frames.info, foreground=0)).key(0),
        SampleKeys(of(frames), config, replace(frames.info, ignore_label=0)).key(0),
        SampleKeys(of(frames), config, replace(frames.info, task="multiclass")).key(0),
        SampleKeys(of(Undecodable(frames.root)), config, frames.info).key(0),
        SampleKeys(Samples(Medaka(frames.root, view="ventral"), frames.ids("all")), config, frames.info).key(0),
    }
    assert len(keys) == 9
    assert SampleKeys(of(frames), settings(noise=0.5, crop=16), frames.info).key(0) in keys
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("part", ["image", "labels"])
def test_a_changed_file_is_decoded_anew(frames: Medaka, tmp_path: Path, part: Any) -> None:
    before = cached(frames, tmp_path / "cache")[2]
    path = frames.files(frames.ids("all")[2], part)[0]
    time_ns = path.stat().st_mtime_ns
    Image.fromarray(np.full((40, 50), 255, np.uint8)).save(path)
    os.utime(path, ns=(time_ns + 1000, time_ns + 1000))  # a clock may be too coarse to see the difference
    after = cached(frames, tmp_path / "cache")[2]
    assert not same(before, after)
    assert same(after, PairDataset(of(frames), settings(), frames.info)[2])


def _flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 4
    return bytes(changed)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: data[:0],
    "truncated": lambda data: data[: len(data) // 2],
    "a bit flipped in the image": lambda data: _flipped(data, 900),
    "a bit flipped in the target": lambda data: _flipped(data, -600),
    "no archive": lambda data: bytes(len(data)),
    "an object to unpickle": lambda data: pickle.dumps({"image": data}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_written_anew(frames: Medaka, tmp_path: Path, damage: str) -> None:
    good = cached(frames, tmp_path / "cache")[0]
    path = files(tmp_path / "cache")[0]
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[damage](whole))
    assert path.read_bytes() != whole
    assert same(cached(frames, tmp_path / "cache")[0], good)
    assert same(blind(cached(frames, tmp_path / "cache"))[0], good)


@pytest.mark.parametrize("arrays", [{"image": np.zeros((4, 4, 1), np.uint8)}, {"image": np.zeros((4, 4, 1), np.uint8),
    "target": np.zeros((5, 4), np.uint8)}, {"image": np.zeros((4, 4)), "target": np.zeros((4, 4))}])  # fmt: skip
def test_an_archive_of_something_else_is_written_anew(frames: Medaka, tmp_path: Path, arrays: Any) -> None:
    good = cached(frames, tmp_path / "cache")[0]
    np.savez(files(tmp_path / "cache")[0], **arrays)
    assert same(cached(frames, tmp_path / "cache")[0], good)
    assert same(blind(cached(frames, tmp_path / "cache"))[0], good)


def total(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_the_limit_holds_and_what_this_run_uses_stays(frames: Medaka, tmp_path: Path) -> None:
    """Samples come in turn: evicting one of them for the next would leave none to be found in the next epoch."""
    limit = 3 * (2 * 40 * 50 + 1024)
    pairs = cached(frames, tmp_path / "cache", limit)
    for _ in range(3):
        for index in range(6):
            assert pairs[index].image.shape == (40, 50, 1)
            assert total(tmp_path / "cache") <= limit
    assert len(files(tmp_path / "cache")) == 3
    assert [blind(pairs)[index].target.shape for index in range(3)] == [(40, 50)] * 3


def test_the_least_recently_used_of_earlier_runs_goes_first(frames: Medaka, tmp_path: Path) -> None:
    folder, limit = tmp_path / "cache", 3 * (2 * 40 * 50 + 1024)
    earlier = cached(frames, folder, limit)
    paths = []
    for index in range(3):
        earlier[index]
        paths += [path for path in files(folder) if path not in paths]
    for seconds, path in zip((500, 300, 100), paths, strict=True):
        age(path, seconds)
    cached(frames, folder, limit)[0]  # used again: now the second is the oldest
    now = cached(frames, folder, limit)
    now[3]
    assert [path.exists() for path in paths] == [True, False, True]
    now[4]
    assert [path.exists() for path in paths] == [True, False, False]
    assert total(folder) <= limit


def test_what_a_killed_process_left_is_removed(frames: Medaka, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cached(frames, folder)[0]
    left, fresh = (files(folder)[0].parent / f".{name}.npz.tmp" for name in ("left", "fresh"))
    left.write_bytes(b"half")
    fresh.write_bytes(b"being written")
    age(left, 10_000)
    cached(frames, folder)[1]
    assert not left.exists()
    assert fresh.exists()


def test_a_full_disk_ends_the_writing_with_one_warning(frames: Medaka, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system has no file size limits to stand for a full disk")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    warnings: list[str] = []
    pairs = cached(frames, tmp_path / "cache")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        loaded = load(pairs, [[0, 1], [2, 3], [4, 5], [0, 1]], 2, warn=warnings.append, memory=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [len(batch) for batch in loaded] == [2] * 4
    assert len(warnings) == 1
    assert str(tmp_path / "cache") in warnings[0]
    assert total(tmp_path / "cache") == 0
    pairs[0]
    assert total(tmp_path / "cache") == 0


def test_a_cache_that_cannot_be_made_is_one_warning(frames: Medaka, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    warnings: list[str] = []
    loaded = load(cached(frames, tmp_path / "file" / "cache"), [[0, 1], [2, 3], [4, 5]], warn=warnings.append)
    assert len(loaded) == 3
    assert len(warnings) == 1
    assert "decoded images are no longer kept" in warnings[0]


def test_two_programs_share_a_cache(frames: Medaka, tmp_path: Path) -> None:
    """Two programs at once, below a limit that holds four of the six pairs."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from segbench.datasets.medaka import Medaka\n"
        "from segbench.methods.training.cache import DecodedCache\n"
        "from segbench.methods.training.config import TrainingConfig\n"
        "from segbench.methods.training.loading import PairDataset, PairLoader\n"
        "from segbench.types import Samples\n"
        "if __name__ == '__main__':\n"
        "    frames = Medaka(Path(sys.argv[1]))\n"
        "    cache = DecodedCache(Path(sys.argv[2]), int(sys.argv[3]))\n"
        "    pairs = PairDataset(Samples(frames, frames.ids('all')), TrainingConfig(size=None), frames.info, cache)\n"
        "    with PairLoader(pairs, 2, memory=0) as made:\n"
        "        for batch in made.batches([[0, 1, 2], [3, 4, 5]] * 30):\n"
        "            print(sum(int(pair.image.sum()) + int(pair.target.sum()) for pair in batch), flush=True)\n"
    )
    one = 2 * 40 * 50 + 1024
    process = WarmProcess.start(code, (frames.root, tmp_path / "cache", 4 * one), tmp_path)
    plain = [PairDataset(of(frames), settings(), frames.info)[index] for index in range(6)]
    while process.returncode is None and not process.printed():
        time.sleep(0.01)  # until it has begun there is nothing to share
    rounds = 0
    while process.returncode is None or rounds == 0:
        here = cached(frames, tmp_path / "cache", 4 * one)
        assert all(same(here[index], plain[index]) for index in range(6))
        rounds += 1
    out, error = process.communicate(timeout=120)
    assert (error, process.returncode) == ("", 0)
    sums = [sum(int(p.image.sum()) + int(p.target.sum()) for p in half) for half in (plain[:3], plain[3:])]
    assert [int(line) for line in out.split()] == sums * 30
    assert not list((tmp_path / "cache").rglob("*.tmp"))
    # The second writer may pass the limit by what it writes between two looks: here, one pair.
    assert 0 < len(files(tmp_path / "cache")) <= 4 + 1
    again = cached(frames, tmp_path / "cache")
    assert all(same(again[index], plain[index]) for index in range(6))


def test_a_configuration_says_what_the_loader_does(
    frames: Medaka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))
    for values, stored in (({}, 0), ({"cache_gb": 0.5}, 6)):
        with loader(of(frames), settings(**values), frames.info) as made:
            assert sum(len(batch) for batch in made.batches([range(6)])) == 6
        assert len(files(tmp_path / "cache")) == stored
