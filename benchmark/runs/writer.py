"""The one way a run comes to lie in a folder: identity, id, lock, statistics, and last the record."""

from __future__ import annotations

import datetime
import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ..data.locations import Location, made_by
from ..data.self_defined import definition_of, renamed
from ..evaluation.scoring import Scored
from ..evaluation.statistics import Statistics
from ..io.atomic import replace_folder, sweep, temporary_folder, write_text
from ..io.fingerprints import ids_sha256
from ..io.locks import LOCK, exclusive
from ..io.reporter import Reporter
from ..types import Dataset, Metric, UserError
from .binding import bound
from .current import same_command
from .folder import (
    CHECKPOINT,
    CONFIG,
    INSTANCES,
    LOG,
    PLOTS,
    PREDICTIONS,
    RECORD,
    SHOWN,
    SIGNATURE,
    STATISTICS,
    TRACKING,
    beside,
    refuse_foreign,
)
from .record import DatasetBlock, MadeBy, Record, read_record, run_id_of, write_record


@dataclass(frozen=True)
class RunWriter:
    """Writes one run. `identity` is everything that its result depends on; `run_id` stands for it.

    `command` asks for the run; `overwrite` says that it may take the place of any other run.
    """

    folder: Path
    run_id: str
    identity: Mapping[str, Any]
    command: str
    overwrite: bool = False

    @classmethod
    def of(
        cls, dataset: str, method: str, identity: Mapping[str, Any], out: Path | None, command: str, overwrite: bool
    ) -> RunWriter:
        """The writer of a run in the folder `out`, or below `runs/` where there is none."""
        run_id = run_id_of(dataset, method, identity)
        return cls(out or Path("runs") / run_id, run_id, identity, command, overwrite)

    @contextmanager
    def locked(self) -> Iterator[Record | None]:
        """Keep the folder to this process; yields the record of this very run made or begun earlier, None without one.

        Raises
        ------
        UserError
            If another process holds it, or it holds anything but what this command made or began: nothing else is ever
            written over.
        """
        sweep(self.folder.resolve().parent)  # a run that a kill has left aside goes back, before its place is taken
        refuse_foreign(self.folder)
        earlier = self.earlier()
        if earlier is not None and earlier.complete and not os.access(self.folder, os.W_OK):
            yield earlier  # what is finished where nobody may write can be shown, and nothing else
            return
        with exclusive(self.folder / LOCK, self._busy):
            yield self.earlier()

    @property
    def _busy(self) -> str:
        return f"another run is writing to '{self.folder}'. Wait for it to end, or choose another folder with --out."

    @contextmanager
    def replacing(self, finished: bool) -> Iterator[RunWriter]:
        """The writer to make the run with: this one, or where a finished run lies here one of a folder beside it.

        That takes the place of the finished run in one step when the block ends without an error. After an error or a
        kill the finished run is there as it was, and what was begun waits for `--resume`.
        """
        if not finished:
            yield self
            return
        if not os.access(self.folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.folder))
        new = replace(self, folder=beside(self.folder), overwrite=True)
        refuse_foreign(new.folder)
        with exclusive(new.folder / LOCK, self._busy):
            yield new
            replace_folder(new.folder, self.folder.resolve())
        with temporary_folder(new.folder) as gone:  # half removed under its own name, it would be no run's
            new.folder.rename(gone / "old")

    def earlier(self) -> Record | None:
        """The record of an earlier run of the same identity or command in the folder, None where there is none yet.

        Raises
        ------
        UserError
            If the folder holds another run, or its record cannot be read.
        """
        if not (self.folder / RECORD).is_file():
            return None
        record = read_record(self.folder)
        if record.run_id != self.run_id and not self.overwrite and not same_command(record.command, self.command):
            raise UserError(
                f"'{self.folder}' holds another run ({record.run_id}) than the one asked for ({self.run_id}): data, "
                "method or settings differ. Choose another folder with --out, or give that run up with --overwrite."
                f"{self._renamed(record)}"
            )
        return record

    def _renamed(self, record: Record) -> str:
        """What to do where the data has another name only, after a folder was renamed; empty where it has not."""
        same = {"definition"} <= (record.dataset.model_extra or {}).keys()
        asked = self.identity["dataset"]  # of predictions from elsewhere all that is known, else its name
        if not isinstance(asked, Mapping):
            asked = {**self.identity, "version": self.identity.get("dataset_version")}
        names = renamed(record.dataset.version, str(asked.get("version"))) if same else None
        if names is None or record.dataset.data_sha256 != asked.get("data_sha256"):
            return ""
        return (
            f" The data is that of '{names[0]}' and is called '{names[1]}' now: was its folder renamed? Write 'name: "
            f"{names[0]}' into its classes.yaml to go on."
        )

    def begun(self) -> Record | None:
        """The record of a run that has begun here and is not complete; None where there is none."""
        record = self.earlier()
        return None if record is None or record.complete else record

    def clear(self) -> None:
        """Remove all that an earlier run left."""
        for name in (RECORD, SIGNATURE, STATISTICS, LOG, CONFIG, INSTANCES):
            (self.folder / name).unlink(missing_ok=True)
        for name in (PREDICTIONS, SHOWN, CHECKPOINT, PLOTS, TRACKING):
            if (self.folder / name).is_dir():
                shutil.rmtree(self.folder / name)

    def begin(self, record: Record, reporter: Reporter) -> None:
        """Write the record of a run without results; from now on what the reporter says goes into the run's log."""
        write_record(self.folder, record)
        (self.folder / SIGNATURE).unlink(missing_ok=True)
        reporter.log = self.folder / LOG
        reporter.write_log(f"{record.created} {record.command}")
        self.write_config()

    def write_log(self, record: Record, lines: Sequence[str]) -> None:
        """Write the log of a run that was made in one step: its command, and these lines."""
        write_text(self.folder / LOG, "\n".join([f"{record.created} {record.command}", *lines, ""]))

    def write_config(self) -> None:
        """Write the identity, resolved, for people."""
        write_text(self.folder / CONFIG, yaml.safe_dump(dict(self.identity), sort_keys=False))

    def write_statistics(self, statistics: Statistics, metrics: Sequence[Metric]) -> None:
        """Write what these families measured."""
        statistics.to_parquet(self.folder / STATISTICS, metrics)

    def finish(
        self, record: Record, statistics: Statistics, scored: Scored, warnings: Sequence[str], **changes: Any
    ) -> Record:
        """Write the record with its results, as the last file: a run whose record is complete is complete.

        It is bound to all that lies in the folder by now. `changes` are fields that are known only now.
        """
        finished = record.model_copy(
            update={
                "statistics_sha256": statistics.sha256(),
                "scores": scored.scores,
                "per_class": scored.per_class,
                "per_category": scored.per_category,
                "class_intervals": scored.class_intervals,
                **scored.details,
                "warnings": list(warnings),
                **changes,
            }
        )
        finished = bound(finished, self.folder)
        write_record(self.folder, finished)
        return finished


def dataset_block(
    dataset: Dataset,
    location: Location,
    split: str,
    ids: Sequence[str],
    data_sha256: str,
    *,
    listed: int,
    options: Mapping[str, Any],
    **more: Any,
) -> DatasetBlock:
    """What a record says of the samples that are scored, of `listed` of the split; `more` are its further fields."""
    chosen = options and dataset.info.part_of(split, options) is None
    official = dataset.info.official_size(split) if location.origin == "real" and not chosen else None
    whole = official or listed
    made = made_by(dataset.root)
    return DatasetBlock(
        name=dataset.info.name,
        version=dataset.info.version,
        split=split,
        n=len(ids),
        ids_sha256=ids_sha256(tuple(ids)),
        data_sha256=data_sha256,
        origin=location.origin,
        options=dict(options),
        whole_n=whole if whole > len(ids) else None,
        made_by=None if made is None else MadeBy(version=made.version, seed=made.seed),
        **more,
        **definition_of(dataset),
    )


def current_time() -> str:
    """The time as a record says it: UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
