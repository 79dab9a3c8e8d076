"""`--init RUN` starts from what that run has fitted, or says that something else lies there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from places import ROOT
from segbench.io.fingerprints import folder_sha256
from segbench.runs.binding import loading_checkpoint
from segbench.runs.learned_from import refuse_other_weights
from segbench.runs.record import read_record
from segbench.types import UserError

RUN = ROOT / "leaderboards" / "records" / "isbi2012-unet-0b805e1a"
NAMED = ["", "checkpoint", "checkpoint/fold-0", "checkpoint/fold-0/model.safetensors"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a checkpoint that its record has the digest of."""
    shutil.copytree(RUN, tmp_path / "run")
    (tmp_path / "run" / "checkpoint" / "fold-0").mkdir(parents=True)
    (tmp_path / "run" / "checkpoint" / "fold-0" / "model.safetensors").write_bytes(b"weights")
    bind(tmp_path / "run", {"checkpoint": folder_sha256(tmp_path / "run" / "checkpoint")})
    return tmp_path / "run"


def bind(run: Path, evidence: dict[str, str] | None) -> None:
    content = json.loads((run / "record.json").read_text())
    (run / "record.json").write_text(json.dumps({**content, "evidence": evidence}))


@pytest.mark.parametrize("named", NAMED)
def test_other_weights_than_the_runs_are_refused(run: Path, named: str) -> None:
    refuse_other_weights({"init": str(run / named)})
    (run / "checkpoint" / "fold-0" / "model.safetensors").write_bytes(b"weightS")
    with pytest.raises(UserError, match=rf"--init {run / named}: .* does not hold what this run has fitted"):
        refuse_other_weights({"init": str(run / named)})
    bind(run, None)  # as in records of before there was any
    refuse_other_weights({"init": str(run / named)})


def test_weights_of_no_run_and_of_a_broken_one(run: Path, tmp_path: Path) -> None:
    refuse_other_weights({"init": None})
    refuse_other_weights({"init": str(tmp_path / "nothing")})
    shutil.copy(run / "checkpoint" / "fold-0" / "model.safetensors", run / "copy.safetensors")
    (run / "checkpoint" / "fold-0" / "model.safetensors").write_bytes(b"other")
    refuse_other_weights({"init": str(run / "copy.safetensors")})  # which somebody has put there
    (run / "record.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read as the record of a run"):
        refuse_other_weights({"init": str(run)})


def test_what_is_known_of_a_checkpoint_that_cannot_be_loaded(run: Path) -> None:
    def load() -> str:
        with pytest.raises(UserError) as caught, loading_checkpoint(run, read_record(run)):
            raise UserError("model.safetensors: is damaged.")
        return str(caught.value)

    assert load() == "model.safetensors: is damaged."
    bind(run, None)
    assert "made before records had a checksum of what was fitted, so nothing tells whether" in load()
    assert "make the run again: bench run --dataset isbi2012" in load()
