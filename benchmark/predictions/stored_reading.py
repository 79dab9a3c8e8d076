"""Reading the predictions of a run folder by its record alone, without its dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ..io.fingerprints import ids_sha256
from ..io.images.read import count_pages
from ..types import Dataset, DatasetInfo, Object, UserError
from .cityscapes_instances import LIST, read_list
from .coco_results import read_object_results, takes_results
from .find import find_predictions
from .stored import RESULTS

Page: TypeAlias = tuple[Path, int | None]
"""A file, and of a stack the page."""


@dataclass(frozen=True)
class StoredPredictions:
    """The folder that holds a run's predictions, and what its record says of them.

    n : number of samples. command : the command line that makes the run again.
    """

    folder: Path
    split: str
    n: int
    ids_sha256: str
    command: str

    def maps(self, info: DatasetInfo) -> Mapping[str, Page]:
        """File and page of every stored map, by sample id; of a stack by page.

        Raises
        ------
        UserError
            Where they are not those of the run's samples.
        """
        stack = self.folder / f"{self.split}.tif"
        if info.stacked and stack.exists():
            pages = count_pages(stack)
            found: dict[str, Page] = {
                f"{stack}, page {page}": (stack, page if pages > 1 else None) for page in range(pages)
            }
            whole = pages == self.n
        else:
            found = {path.stem: (path, None) for path in sorted(self.folder.glob("*.tif" if info.stacked else "*.png"))}
            whole = ids_sha256(tuple(found)) == self.ids_sha256
        if not whole:
            raise self._other_samples(len(found))
        return found

    def objects(self, info: DatasetInfo, dataset: Dataset | None) -> Iterator[tuple[str, Sequence[Object]]]:
        """Sample ids with the stored objects, at the size of the truth where there is a dataset.

        Raises
        ------
        UserError
            Where they are not those of the run's samples.
        """
        if dataset is not None:
            found = find_predictions(dataset, dataset.ids(self.split), self.folder)
            return ((i, source.read(dataset).objects or ()) for i, source in found.files.items())
        if not takes_results(info):
            lists = {path.name.removesuffix(LIST): path for path in sorted(self.folder.glob(f"*{LIST}"))}
            if ids_sha256(tuple(lists)) != self.ids_sha256:
                raise self._other_samples(len(lists))
            read = ((i, read_list(path, self.folder, info, {})) for i, path in lists.items())
            return ((i, tuple(listed.read() for listed in objects)) for i, objects in read)
        images = read_object_results(self.folder / RESULTS, info)
        if len(images) > self.n:
            raise self._other_samples(len(images))
        return ((image_id, results.objects()) for image_id, results in images.items())

    def _other_samples(self, found: int) -> UserError:
        return UserError(
            f"'{self.folder}' holds {found} predictions, not those of the run's {self.n} samples. "
            f"Make the run again: {self.command}"
        )
