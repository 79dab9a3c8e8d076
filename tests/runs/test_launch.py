"""Several processes of one run, as `accelerate launch` starts them: one hashes, checks and writes, all train."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from warm_processes import WarmProcess

pytestmark = pytest.mark.slow

SCRIPT = """
import os, sys
from pathlib import Path
rank, log = os.environ["RANK"], Path(os.environ["SEEN"])
from segbench.io import fingerprints
read = fingerprints.sha256_of

def note(what):
    with log.open("a") as file:
        file.write(f"{rank} {what}\\n")

def hashed(file):
    if str(file.name).endswith(".tif"):  # what the run wrote is hashed too, as its evidence
        note(f"hashed {Path(file.name).name}")
    return read(file)

fingerprints.sha256_of = hashed
from segbench.data.index import DataIndex
from segbench.methods.training.loading import PairDataset
check, load = DataIndex.check, PairDataset.__getitem__

def checked(self, ids, parts):
    note("checked")
    return check(self, ids, parts)

def loaded(self, index):
    note("trained")
    return load(self, index)

DataIndex.check, PairDataset.__getitem__ = checked, loaded
from segbench.cli import main
main()
"""


@dataclass(frozen=True)
class Launched:
    """What two processes did, once each, as `rank what`, and what each printed as its result."""

    did: list[str]
    printed: list[str]


def _launch(folder: Path, root: Path, *more: str) -> Launched:
    """Run two processes to their end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    seen = folder / "seen.txt"
    seen.write_text("")
    small = ["base_channels=2", "depth=1", "epochs=2", "iterations_per_epoch=2", "batch_size=2", "crop=16"]
    arguments = ["run", "-d", "isbi2012", "-m", "unet", "--root", str(root), "--out", str(folder / "out"), "--device"]
    arguments += ["cpu", *(word for setting in small for word in ("--set", setting)), *more]
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common |= {"SEEN": str(seen), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    processes = [
        WarmProcess.start(SCRIPT, arguments, folder, {**common, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said
    return Launched(sorted(set(seen.read_text().splitlines())), [out for out, _ in said])


def test_both_processes_train_and_the_first_alone_hashes_checks_and_writes(stacks: Path, tmp_path: Path) -> None:
    files = ["0 hashed train-labels.tif", "0 hashed train-volume.tif"]
    launched = _launch(tmp_path, stacks)
    assert launched.did == ["0 checked", *files, "0 trained", "1 trained"]
    assert "v_rand" in launched.printed[0]
    assert launched.printed[1] == ""
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["complete"]
    assert (tmp_path / "out" / "log.txt").read_text().count("epoch 2/2") == 1
    # Complete: the first says so to the other, which would wait for it otherwise.
    assert _launch(tmp_path, stacks, "--resume").did == ["0 checked"]
    assert json.loads((tmp_path / "out" / "record.json").read_text()) == record
