"""Building a synthetic data set: beside its place, by several processes, and moved there when it is whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.locations import MARKER
from ..errors import UserError
from ..io.atomic import write_text

PARTIAL_SIGN = "segbench-synthetic.partial"
_CHUNKS_PER_PROCESS = 8

Result = TypeVar("Result")


@dataclass(frozen=True)
class Mark:
    """What the marker file says of the code that made the data: its module, version, and what a user has to know."""

    generator: str
    version: str
    notice: str


@contextmanager
def building(root: Path, made: frozenset[str], mark: Mark, seed: int, plan: Any) -> Iterator[Path]:
    """An empty folder beside `root` to build a dataset in, which takes the place of `root` when the block ends well.

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
        `root` or its temporary sibling holds something that segbench did not make.
    """
    root = root.resolve()
    partial = _begin(root, made)
    yield partial
    _finish(partial, root, mark, seed, plan)


def _begin(root: Path, made: frozenset[str]) -> Path:
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
    partial = root.with_name(root.name + ".partial")
    if partial.exists():
        if not (partial / PARTIAL_SIGN).is_file():
            raise UserError(
                f"'{partial}' is in the way: data for '{root.name}' is built there, and this folder has no "
                f"'{PARTIAL_SIGN}', so segbench did not make it. Move it away and run again."
            )
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    (partial / PARTIAL_SIGN).touch()
    return partial


def _finish(partial: Path, root: Path, mark: Mark, seed: int, plan: Any) -> None:
    """Write the marker file and put the finished folder in the place of `root`."""
    (partial / PARTIAL_SIGN).unlink()
    marker = {
        "generator": mark.generator,
        "version": mark.version,
        "origin": "synthetic",
        "notice": mark.notice,
        "seed": seed,
        "plan": asdict(plan),
        "n_files": sum(len(names) for _, _, names in os.walk(partial)),
    }
    write_json(partial / MARKER, marker)
    if root.exists():
        shutil.rmtree(root)
    partial.replace(root)


def write_json(path: Path, content: Any) -> None:
    """Write a value as indented JSON."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def compact_json(content: Any) -> str:
    """A value as JSON without spaces, for large files."""
    return json.dumps(content, separators=(",", ":"))


def save_photo(path: Path, photo: NDArray[np.uint8]) -> None:
    """Write a picture (H, W, 3) as JPEG."""
    Image.fromarray(photo).save(path, quality=92)


def save_map(path: Path, values: NDArray[Any], palette: Sequence[int] | None = None) -> None:
    """Write label values (H, W) as an 8- or 16-bit grey PNG, or as a palette PNG of 256 RGB colours."""
    image = Image.fromarray(values)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)


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
    # Spawned, because the caller may hold threads (torch, Ray) that do not survive a fork.
    with ProcessPoolExecutor(processes, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        futures = [pool.submit(_some, write, positions[n::chunks]) for n in range(min(chunks, len(positions)))]
        for future in as_completed(futures):
            yield future.result()


def _some(write: Callable[[int], Result], positions: Sequence[int]) -> dict[int, Result]:
    return {position: write(position) for position in positions}
