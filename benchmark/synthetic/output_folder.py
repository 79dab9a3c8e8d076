"""Building a synthetic data set: beside its place, by several processes, and moved there when it is whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..data.locations import MARKER
from ..errors import UserError
from ..io.address_space import load_linear_algebra
from ..io.atomic import replace_folder, temporary_folder, write_text
from ..io.interrupts import interrupts_held_back
from ..io.processes import can_share_locks, end_with_parent
from ..io.synthetic_mark import MARK

_CHUNKS_PER_PROCESS = 8

Result = TypeVar("Result")


@dataclass(frozen=True)
class Mark:
    """What marks data as synthetic: the module that made it, its version, and what a user has to know.

    The marker file says all of it, and every file of the data says `sentence`.
    """

    generator: str
    version: str
    notice: str

    @property
    def sentence(self) -> str:
        """What is written into every file: `segbench.io.synthetic_mark` finds it."""
        return f"{MARK} ({self.generator}, version {self.version})"


@contextmanager
def building(root: Path, made: frozenset[str], mark: Mark, seed: int, plan: Any) -> Iterator[Path]:
    """An empty folder beside `root` to build a dataset in, which takes the place of `root` when the block ends well.

    What a killed process leaves there is taken away by the next one that writes beside `root`.

    Parameters
    ----------
    root : Path
        Folder to make.
    made : frozenset of str
        Names that a dataset of this kind holds at its top; anything else there is somebody's own.
    mark : Mark
    seed : int
    plan : dataclass
        With the seed all that the content depends on; both are written into the marker file.

    Raises
    ------
    UserError
        `root` holds something that segbench did not make.
    """
    root = root.resolve()
    _refuse_foreign(root, made)
    with temporary_folder(root) as temporary:
        new = temporary / "new"
        new.mkdir()  # with the rights that the user's umask says, which a temporary folder does not have
        yield new
        _write_marker(new, mark, seed, plan)
        replace_folder(new, root)


def _refuse_foreign(root: Path, made: frozenset[str]) -> None:
    if root.exists() and not (root.is_dir() and ((root / MARKER).is_file() or not any(root.iterdir()))):
        raise UserError(
            f"'{root}' is not empty and has no '{MARKER}', so it was not made by segbench. "
            "Expected a new or empty folder, or an earlier synthetic data set. Choose another folder."
        )
    known = made | {MARKER}
    foreign = sorted(path.name for path in root.iterdir() if path.name not in known) if root.exists() else []
    if foreign:
        raise UserError(
            f"'{root}' holds '{foreign[0]}', which segbench did not make and which would be lost. Move it away first, "
            "or choose another folder."
        )


def _write_marker(folder: Path, mark: Mark, seed: int, plan: Any) -> None:
    marker = {
        "generator": mark.generator,
        "version": mark.version,
        "origin": "synthetic",
        "notice": mark.notice,
        "seed": seed,
        "plan": asdict(plan),
        "n_files": sum(len(names) for _, _, names in os.walk(folder)),
    }
    write_json(folder / MARKER, marker)


def write_json(path: Path, content: Any) -> None:
    """Write a value as indented JSON."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def compact_json(content: Any) -> str:
    """A value as JSON without spaces, for large files."""
    return json.dumps(content, separators=(",", ":"))


def save_picture(path: Path, pixels: NDArray[Any], mark: Mark, palette: Sequence[int] | None = None) -> None:
    """Write a photograph or label values with their mark: as PNG, JPEG, TIFF or GIF, as the suffix says.

    Parameters
    ----------
    path : Path
        `.png`, `.jpg`, `.tif` or `.gif`.
    pixels : (H, W) or (H, W, 3) array of uint8, (H, W) of uint16, or (N, H, W) for a TIFF of N pages.
    mark : Mark
        Its sentence becomes the PNG's or TIFF's `Software` and the JPEG's or GIF's comment.
    palette : sequence of int, optional
        256 RGB colours for the values of a PNG.
    """
    if path.suffix == ".tif":
        _save_tiff(path, pixels, mark)
        return
    image = Image.fromarray(pixels)
    if path.suffix == ".jpg":
        image.save(path, quality=92, comment=mark.sentence)
        return
    if path.suffix == ".gif":
        # Unoptimized, it keeps every grey level as its own index: readers of stored values find 255, not 1.
        image.save(path, optimize=False, comment=mark.sentence)
        return
    if palette is not None:
        image.putpalette(palette)
    text = PngInfo()
    text.add_text("Software", mark.sentence)
    image.save(path, pnginfo=text)


def _save_tiff(path: Path, pixels: NDArray[Any], mark: Mark) -> None:
    """One deflated strip per page, in less than half of LZW's time; without a date, so that bytes follow from pixels.

    Grey photographs are a fifth smaller after horizontal differencing; masks, in three equal channels, are not.
    """
    colour = pixels.shape[-1] == 3
    masks = bool(np.isin(pixels.reshape(-1)[:: max(1, pixels.size // 4096)], (0, 255)).all())
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb" if colour else "minisblack",
        metadata=None,
        software=mark.sentence,
        compression="adobe_deflate",
        compressionargs={"level": 2 if masks else 1},
        predictor=not masks,
        rowsperstrip=pixels.shape[-3 if colour else -2],
    )


def make_all(
    write: Callable[[int], Result],
    positions: Sequence[int],
    workers: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[int, Result]:
    """Call `write` for every position, in `workers` processes (default: one per processor).

    `write` must be picklable, and what it does must depend on its position alone. `progress` is called with
    (done, in all).
    """
    processes = min(workers or os.cpu_count() or 1, max(1, len(positions)))
    results: dict[int, Result] = {}
    for some in _results(write, positions, processes):
        results.update(some)
        if progress is not None:
            progress(len(results), len(positions))
    return results


def _results(write: Callable[[int], Result], positions: Sequence[int], processes: int) -> Iterator[dict[int, Result]]:
    if processes == 1:
        yield from (_some(write, [position]) for position in positions)
        return
    chunks = processes * _CHUNKS_PER_PROCESS
    with drawing_processes(processes) as pool:
        for future in as_completed(
            submit_all(pool, _some, [(write, positions[n::chunks]) for n in range(min(chunks, len(positions)))])
        ):
            yield future.result()


@contextmanager
def drawing_processes(count: int) -> Iterator[Executor]:
    """Worker processes, which end with the file that each is at when the caller is interrupted or fails.

    One thread where there can be none.
    """
    # Spawned, because the caller may hold threads (torch, Ray) that do not survive a fork.
    processes = can_share_locks()
    pool = ProcessPoolExecutor(count, get_context("spawn"), _prepare) if processes else ThreadPoolExecutor(1)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    end_with_parent()
    load_linear_algebra()
    cv2.setNumThreads(1)


def submit_all(pool: Executor, work: Callable[..., Result], tasks: Sequence[tuple[Any, ...]]) -> list[Future[Result]]:
    """Give tasks (arguments of `work`) to worker processes, in this order."""
    with interrupts_held_back():
        return [pool.submit(work, *task) for task in tasks]


def _some(write: Callable[[int], Result], positions: Sequence[int]) -> dict[int, Result]:
    return {position: write(position) for position in positions}
