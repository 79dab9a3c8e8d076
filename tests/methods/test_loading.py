"""Loading: the same pairs from threads, processes, memory and disk, in the same order; faults are named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from loaded_pairs import cached, of, same, settings, write_frames
from torch.utils.data import DataLoader

from segbench.data.decode_ahead import ImagesAhead
from segbench.datasets.isbi2012 import ISBI2012
from segbench.datasets.medaka import Medaka
from segbench.errors import UserError
from segbench.methods.training.loading import PairDataset, PairLoader
from segbench.registry import load_user_module
from small_stack import samples, write_stack

pytestmark = pytest.mark.slow

PLAN = [[4, 0], [0, 3], [1, 1], [2, 4]]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"))


@pytest.fixture
def frames(tmp_path: Path) -> Medaka:
    return write_frames(tmp_path / "medaka")


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("memory", [0, 48 * 48 * 5, 2**30], ids=["nothing kept", "some kept", "all kept"])
def test_threads_give_what_indexing_gives(dataset: ISBI2012, workers: int, memory: int) -> None:
    chosen = samples(dataset, "val")
    pairs = PairDataset(chosen, settings(), dataset.info)
    with PairLoader(pairs, workers, memory=memory) as made:
        for _ in range(2):  # the second epoch meets what the first kept
            for batch, indices in zip(made.batches(PLAN), PLAN, strict=True):
                for pair, index in zip(batch, indices, strict=True):
                    assert same(pair, pairs[index])
                    assert np.array_equal(pair.image[..., 0], chosen[index].image)
                    assert np.array_equal(pair.target, chosen[index].labels)
        assert made._bytes <= memory
        assert list(made.batches([])) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_that_is_broken_off_does_not_disturb_the_next(dataset: ISBI2012, workers: int) -> None:
    pairs = PairDataset(samples(dataset, "val"), settings(), dataset.info)
    with PairLoader(pairs, workers, memory=0) as made:
        assert same(next(made.batches(PLAN))[0], pairs[4])
        assert [same(batch[1], pairs[row[1]]) for batch, row in zip(made.batches(PLAN), PLAN, strict=True)] == [
            True
        ] * 4


def truncate(frames: Medaka, index: int) -> Path:
    path = frames.files(frames.ids("all")[index], "image")[0]
    path.write_bytes(path.read_bytes()[:200])
    return path


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_truncated_image_is_named(frames: Medaka, workers: int) -> None:
    path = truncate(frames, 3)
    with PairLoader(PairDataset(of(frames), settings(), frames.info), workers) as made:
        batches = made.batches([[0, 1], [2, 3]])
        assert len(next(batches)) == 2
        with pytest.raises(UserError, match=str(path)):
            next(batches)


def test_processes_do_all_that_threads_do(frames: Medaka, tmp_path: Path) -> None:
    """In one test, for they take seconds to start: order, memory, broken epochs, a cache that fails, a broken file."""
    (tmp_path / "file").write_text("no folder")
    warnings: list[str] = []
    pairs = cached(frames, tmp_path / "file" / "cache")
    plain = PairDataset(of(frames), settings(), frames.info)
    with PairLoader(pairs, 2, "processes", memory=3 * 2 * 40 * 50, warn=warnings.append) as made:
        assert same(next(made.batches(PLAN))[0], plain[4])
        for _ in range(2):
            for batch, indices in zip(made.batches(PLAN), PLAN, strict=True):
                assert [same(pair, plain[index]) for pair, index in zip(batch, indices, strict=True)] == [True, True]
        assert len(made._cached) == 3
        assert len(warnings) == 1
        assert "decoded images are no longer kept" in warnings[0]
        assert list(made.batches([])) == []
        path = truncate(frames, 5)
        with pytest.raises(UserError) as direct:
            plain[5]
        with pytest.raises(UserError) as error:
            list(made.batches([[0, 1], [2, 5]]))
        assert str(error.value) == str(direct.value)
        assert str(path) in str(error.value)


def test_the_dataset_is_one_for_any_torch_loader(dataset: ISBI2012) -> None:
    pairs = PairDataset(samples(dataset, "val"), settings(), dataset.info)
    images, targets = next(iter(DataLoader(pairs, batch_size=3)))
    assert images.shape == (3, 48, 48, 1)
    assert torch.equal(targets[2], torch.from_numpy(pairs[2].target))


def test_processes_load_a_users_own_dataset_and_their_death_is_a_message(dataset: ISBI2012, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import os\nfrom segbench.datasets.isbi2012 import ISBI2012\n"
        "class Mine(ISBI2012):\n"
        "    def load(self, sample_id, parts):\n"
        "        return os._exit(9) if sample_id == 'slice-20' else super().load(sample_id, parts)\n"
    )
    mine = load_user_module("segbench_user_datasets_mine", path).Mine(dataset.root)
    pairs = PairDataset(samples(mine, "val"), settings(), mine.info)
    with PairLoader(pairs, 1, "processes") as made:
        assert same(next(iter(made.batches([[1]])))[0], pairs[1])
        with pytest.raises(UserError, match="a worker process died"):
            list(made.batches([[0]]))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups to send Ctrl-C to")
def test_an_interrupt_ends_processes_without_their_tracebacks(dataset: ISBI2012, tmp_path: Path) -> None:
    script = tmp_path / "forever.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from segbench.datasets.isbi2012 import ISBI2012\n"
        "from segbench.methods.training.config import TrainingConfig\n"
        "from segbench.methods.training.loading import PairDataset, PairLoader\n"
        "from segbench.types import Samples\n"
        "if __name__ == '__main__':\n"
        "    stack = ISBI2012(Path(sys.argv[1]))\n"
        "    pairs = PairDataset(Samples(stack, stack.ids('val')), TrainingConfig(size=None), stack.info)\n"
        "    try:\n"
        "        with PairLoader(pairs, 1, 'processes', memory=0) as made:\n"
        "            for _ in made.batches([[0, 1, 2]] * 10**6):\n"
        "                print('batch', flush=True)\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(dataset.root)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "batch\n"
    os.killpg(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert out.endswith("interrupted\n")
    assert error == ""
    assert process.returncode == 0
    assert not _group_lives(process.pid), "a worker was left behind"


def _group_lives(group: int) -> bool:
    """Whether a process of the group is there still, some seconds later."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def ahead(frames: Medaka) -> Iterator[ImagesAhead]:
    with ImagesAhead(frames, frames.ids("all"), 4) as images:
        yield images


def test_images_come_in_batches_prefetched_or_not(frames: Medaka, ahead: ImagesAhead) -> None:
    ids = frames.ids("all")
    seen: list[Any] = []
    while (taken := ahead.take()) is not None:
        ahead.prefetch()
        ahead.prefetch()  # begun already: nothing happens
        for sample_id, image in zip(*taken, strict=True):
            assert np.array_equal(image, np.asarray(frames.load(sample_id).image))
        seen.append(tuple(taken[0]))
    assert seen == [ids[:4], ids[4:]]
    assert ahead.take() is None
    with ImagesAhead(frames, (), 4) as none:
        assert none.take() is None


def test_a_broken_image_is_named_when_its_batch_is_due(frames: Medaka, ahead: ImagesAhead) -> None:
    path = frames.files(frames.ids("all")[5], "image")[0]
    path.write_bytes(b"\x89PNG")
    ahead.prefetch()
    taken = ahead.take()
    assert taken is not None
    assert tuple(taken[0]) == frames.ids("all")[:4]
    ahead.prefetch()
    with pytest.raises(UserError, match="0006"):
        ahead.take()
