"""Training that was stopped: it resumes to the same bits, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_trainings import fit, weights

from segbench.baselines.unet import UNet
from segbench.datasets.isbi2012 import ISBI2012
from segbench.errors import UserError
from segbench.methods.training import checkpoint as checkpoints
from segbench.methods.training.precision import Compute
from small_stack import write_stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ISBI2012:
    return write_stack(tmp_path_factory.mktemp("isbi2012"))


def stop_after(asked: int) -> Callable[[], bool]:
    """A user's interrupt at the n-th time that the loop asks."""
    remaining = iter(range(asked))
    return lambda: next(remaining, None) is None


@pytest.mark.parametrize("values", [{"select": "last"}, {"select": "best"}, {"ghost_batches": 2}])
def test_resume_is_exact_to_the_bit(dataset: ISBI2012, tmp_path: Path, values: dict[str, Any]) -> None:
    whole = weights(fit(dataset, tmp_path / "whole", **values))
    with pytest.raises(KeyboardInterrupt):
        fit(dataset, tmp_path / "parts", stop=stop_after(2 * 3 + 1), **values)
    left = checkpoints.load_tensors(tmp_path / "parts" / checkpoints.FILE)[1]
    assert left["epoch"] == 2
    resumed = weights(fit(dataset, tmp_path / "parts", resume=True, **values))
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_training_leaves_the_global_generator_alone(dataset: ISBI2012, tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    fit(dataset, tmp_path, epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_a_stop_in_the_first_epoch_leaves_a_folder_to_start_again_from(dataset: ISBI2012, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(dataset, tmp_path, stop=lambda: True)
    assert list(tmp_path.iterdir()) == []
    fit(dataset, tmp_path, resume=True, epochs=1)


def test_how_samples_are_loaded_changes_no_weight_and_may_change_on_resume(
    dataset: ISBI2012, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGBENCH_CACHE", str(tmp_path / "cache"))
    whole = weights(fit(dataset, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        fit(dataset, tmp_path / "parts", stop=stop_after(2 * 3 + 1))
    resumed = weights(fit(dataset, tmp_path / "parts", resume=True, cache_gb=1.0))
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 5
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_a_checkpoint_of_other_draws_is_not_gone_on_from(
    dataset: ISBI2012, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(dataset, tmp_path, epochs=1)
    monkeypatch.setattr("segbench.methods.training.state.DRAWS", 2)
    with pytest.raises(UserError, match="draws of augmentation is 2 now and was 1"):
        fit(dataset, tmp_path, epochs=1, resume=True)


def test_resume_refuses_another_configuration(dataset: ISBI2012, tmp_path: Path) -> None:
    fit(dataset, tmp_path, epochs=1)
    with pytest.raises(UserError, match=r"learning_rate is 0.5 now and was 0.001"):
        fit(dataset, tmp_path, resume=True, epochs=1, learning_rate=0.5)


def test_a_finished_run_resumes_to_itself(dataset: ISBI2012, tmp_path: Path) -> None:
    first, again = weights(fit(dataset, tmp_path, epochs=1)), weights(fit(dataset, tmp_path, resume=True, epochs=1))
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())


def test_a_damaged_checkpoint_is_a_message(dataset: ISBI2012, tmp_path: Path) -> None:
    fit(dataset, tmp_path, epochs=1)
    path = tmp_path / checkpoints.FILE
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="Delete it to start again"):
        fit(dataset, tmp_path, resume=True, epochs=1)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"method": "unet", "outputs": 1}, "'config' is missing"),
        ({"method": "unet", "outputs": 1, "config": [1]}, "'config' is wrong"),
        ({"config": {}, "outputs": 1}, "'method' is missing"),
        ({"method": "unet", "outputs": 1, "config": {"depht": 2}}, "Did you mean 'depth'"),
        ([1], "no JSON object"),
        ({}, "'method' is missing, 'config' is missing, 'outputs' is missing"),
    ],
)
def test_a_foreign_file_of_a_network_is_a_message(dataset: ISBI2012, tmp_path: Path, header: Any, said: str) -> None:
    checkpoints.save_tensors(tmp_path / "model.safetensors", {"w": torch.ones(1)}, header)
    with pytest.raises(UserError, match=said) as caught:
        UNet(UNet.info.defaults).load(tmp_path, dataset.info, "cpu")
    assert "model.safetensors" in str(caught.value)


@pytest.mark.parametrize("lost", ["identity", "epoch", "groups", "numbers", "group", "number", "tensor"])
def test_a_checkpoint_that_lacks_a_part_is_a_message(dataset: ISBI2012, tmp_path: Path, lost: str) -> None:
    fit(dataset, tmp_path, epochs=1)
    tensors, header = checkpoints.load_tensors(tmp_path / checkpoints.FILE)
    if lost in header:
        del header[lost]
    elif lost == "number":
        del header["numbers"]["step"]
    elif lost == "tensor":
        tensors["x"] = tensors.popitem()[1]
    else:
        header["groups"].remove("ema")
    checkpoints.save_tensors(tmp_path / checkpoints.FILE, tensors, header)
    with pytest.raises(UserError, match="Delete it to start again"):
        fit(dataset, tmp_path, epochs=1, resume=True)


@pytest.mark.parametrize("known", [True, False])
def test_a_resumed_run_in_float16_scales_as_one_that_was_not_stopped(
    dataset: ISBI2012, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """On a processor, which computes in float16 though no setting takes it; older checkpoints do not know the scale."""
    scaler = torch.amp.GradScaler
    monkeypatch.setattr(
        torch.amp, "GradScaler", lambda device: scaler(device, init_scale=2.0, growth_factor=4.0, growth_interval=2)
    )
    half = Compute(torch.device("cpu"), torch.float16)
    monkeypatch.setattr(Compute, "choose", lambda *_: half)

    def state(name: str) -> dict[str, Any]:
        return dict(checkpoints.load_tensors(tmp_path / name / checkpoints.FILE)[1]["numbers"])

    whole = weights(fit(dataset, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        fit(dataset, tmp_path / "parts", stop=stop_after(2 * 3 + 1))
    if not known:
        tensors, header = checkpoints.load_tensors(tmp_path / "parts" / checkpoints.FILE)
        del header["numbers"]["scaler"]
        checkpoints.save_tensors(tmp_path / "parts" / checkpoints.FILE, tensors, header)
    resumed = weights(fit(dataset, tmp_path / "parts", resume=True))
    assert state("whole")["scaler"]["scale"] > 2
    assert (state("parts")["scaler"] == state("whole")["scaler"]) is known
    assert not known or all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_a_half_written_checkpoint_is_never_seen(
    dataset: ISBI2012, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill just before the new file takes its place: the old one is still whole, and training goes on from it."""
    whole = weights(fit(dataset, tmp_path / "whole"))
    written = iter(range(2))
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if next(written, None) is None:
            raise SystemExit("killed")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(SystemExit):
            fit(dataset, tmp_path / "killed")
    resumed = weights(fit(dataset, tmp_path / "killed", resume=True))
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_a_full_disk_is_named_and_leaves_the_last_checkpoint_whole(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="this system has no file size limits to stand for a full disk")
    path = tmp_path / "weights.safetensors"
    checkpoints.save_tensors(path, {"w": torch.ones(10)}, {})
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"weights\.safetensors: cannot be written"):
            checkpoints.save_tensors(path, {"w": torch.ones(100_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before
