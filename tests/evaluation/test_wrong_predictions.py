"""`bench evaluate` names every prediction that cannot be scored, once for each kind of fault."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluated_runs import truth
from PIL import Image

from own_folders import QUIET
from segbench.commands.evaluate import EvaluateRequest, evaluate_files
from segbench.types import UserError

COUNT = 6


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six images with masks."""
    return truth(tmp_path / "mine", COUNT)


def refusal(root: Path, predictions: Path) -> list[str]:
    """The lines of the message for these predictions."""
    request = EvaluateRequest("folder", predictions, root=root, out=root.parent / "run", split="all", plots=False)
    with pytest.raises(UserError) as refused:
        evaluate_files(request, QUIET)
    return str(refused.value).splitlines()


def test_all_wrong_predictions_are_named_by_kind(root: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    shutil.copytree(root / "masks", made)
    files = sorted(made.iterdir())
    for file in files[1:4]:
        mask = np.asarray(Image.open(file))
        Image.fromarray(mask[:-4]).save(file)
    files[5].write_bytes(b"no image")
    head, sizes, damaged, advice = refusal(root, made)
    assert head == "4 of 6 predictions cannot be scored:"
    assert sizes.startswith(f"  {files[1]}: prediction of sample '{files[1].stem}' is ")
    assert sizes.endswith(f"The same holds for 2 more: {files[2]}, {files[3]}")
    assert damaged.startswith(f"  {files[5]}: cannot be decoded")
    assert "bench doctor" in advice


def test_one_wrong_prediction_is_named_alone(root: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    shutil.copytree(root / "masks", made)
    file = sorted(made.iterdir())[2]
    file.write_bytes(b"no image")
    (line,) = refusal(root, made)
    assert line.startswith(f"{file}: cannot be decoded")
