"""Where the real data and the official scores lie, and how the command line is run."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

# Tests run side by side, and so do the commands they start: one thread each is quickest. Before NumPy is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import tifffile
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SEGBENCH_TEST_DATA") or ROOT.parent / "shared")

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores; read when torch is loaded, here and in processes that tests start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background job. Processes that tests start would not hear their Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def real_isbi() -> Path:
    """The real ISBI 2012 stacks."""
    return _shared("data/isbi2012")


@pytest.fixture(scope="session")
def golden_isbi() -> Path:
    """Inputs and scores of the official ISBI 2012 evaluation."""
    return _shared("golden/isbi2012")


@pytest.fixture(scope="session")
def real_masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """503 real ventricle masks, unpacked into the official layout."""
    import zipfile

    archive = _shared("data/heartseg") / "lateral_mask.zip"
    folder = tmp_path_factory.mktemp("heartseg") / "train_images" / "lateral_mask"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():
            if name.endswith(".tif"):
                (folder / Path(name).name).write_bytes(zipped.read(name))
    return folder.parents[1]


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: real data is not part of the project (set SEGBENCH_TEST_DATA)")
    return folder


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `bench` in an empty folder with no data of its own, in this process: starting another takes a second."""

    def run(*arguments: str | Path, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        from segbench.cli import main

        command = ["bench", *map(str, arguments)]
        written = io.BytesIO(), io.BytesIO()
        out, err = (io.TextIOWrapper(stream, "utf-8", write_through=True) for stream in written)
        code: object = 0
        with monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in (_places(tmp_path) | environment).items():
                patch.setenv(name, value)
            patch.chdir(cwd)
            patch.setattr(sys, "argv", command)
            try:
                main()
            except SystemExit as end:
                code = end.code
            except Exception:
                # As Python itself ends: a traceback on stderr, and 1.
                traceback.print_exc()
                code = 1
        shown = [stream.getvalue().decode("utf-8", "replace") for stream in written]
        return subprocess.CompletedProcess(command, code if isinstance(code, int) else 0 if code is None else 1, *shown)

    return run


@pytest.fixture
def bench_process(tmp_path: Path) -> Run:
    """Run `bench` as a user does, in a process of its own."""

    def run(*arguments: str | Path, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **_places(tmp_path), **environment}
        command = [sys.executable, "-c", "from segbench.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)

    return run


def _places(folder: Path) -> dict[str, str]:
    return {"SEGBENCH_DATA": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}


def printed_json(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document on stdout of a command that went well."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write_stacks(root: Path, slices: int = 30, size: int = 48, seed: int = 0) -> Path:
    """A SYNTHETIC stack in the ISBI 2012 layout: grey cells between dark straight membranes."""
    random = np.random.default_rng(seed)
    labels = np.full((slices, size, size), 255, np.uint8)
    for page in range(slices):
        for line in random.integers(4, size - 4, 3):
            labels[page, line : line + 2] = 0
            labels[page, :, line : line + 2] = 0
    noise = random.integers(-25, 26, labels.shape)
    images = np.clip(np.where(labels > 0, 170, 70) + noise, 0, 255).astype(np.uint8)
    root.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(root / "train-volume.tif", images, photometric="minisblack")
    tifffile.imwrite(root / "train-labels.tif", labels, photometric="minisblack")
    tifffile.imwrite(root / "test-volume.tif", images[::-1].copy(), photometric="minisblack")
    return root


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    """SYNTHETIC stacks of 30 small slices in the official layout."""
    return write_stacks(tmp_path / "isbi")


def write_hearts(root: Path, sequences: int = 6, frames: int = 5) -> Path:
    """SYNTHETIC bright discs that grow and shrink, in the HeartSeg layout: training and test, lateral view."""
    y, x = np.mgrid[:60, :80]
    random = np.random.default_rng(1)
    for folder, offset in (("train_images", 0), ("test_images", 50)):
        masks, images = (root / folder / name for name in ("lateral_mask", "lateral_sample_gray"))
        masks.mkdir(parents=True)
        images.mkdir(parents=True)
        for sequence in range(sequences):
            for frame in range(frames):
                radius = 12 + 4 * np.sin(frame)
                disc = (y - 30) ** 2 + (x - 35 - sequence) ** 2 < radius**2
                number = offset + 100 * sequence + frame
                rgb = np.repeat((disc * 255).astype(np.uint8)[:, :, None], 3, axis=2)
                Image.fromarray(rgb).save(masks / f"{number:04d}_mask.tif", compression="tiff_lzw")
                grey = np.where(disc, 180, 60) + random.integers(-20, 21, disc.shape)
                Image.fromarray(grey.astype(np.uint8)).save(images / f"{number:04d}_sample.tif")
    return root


@pytest.fixture
def hearts(tmp_path: Path) -> Path:
    """SYNTHETIC lateral frames in the HeartSeg layout."""
    return write_hearts(tmp_path / "hearts")
