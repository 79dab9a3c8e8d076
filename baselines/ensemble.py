"""Ensemble: the mean of the predictions of several fitted runs.

Each member predicts as it was set, and their probabilities are averaged. A member that says only a label counts as
certain of it, so methods without probabilities vote. Gaps of outlines are closed in the mean, not in each member.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from segbench.errors import UserError
from segbench.io.atomic import write_text
from segbench.io.text_files import read_json
from segbench.methods import BaseMethod
from segbench.methods.watershed_lines import without_gaps
from segbench.registry import make_method, method_class
from segbench.runs.members import found_members
from segbench.runs.record import Record
from segbench.settings import Settings
from segbench.types import DatasetInfo, Family, FitContext, Float32, Method, MethodInfo, Prediction, Samples, Uint8

FILE = "ensemble.json"


def _paths(value: Any) -> Any:
    """One folder as a list of it, and paths of Python as text."""
    several = [value] if isinstance(value, str | PathLike) else value
    return [fspath(each) if isinstance(each, PathLike) else each for each in several] if _listed(several) else several


def _listed(value: object) -> bool:
    return isinstance(value, list | tuple)


class EnsembleSettings(Settings):
    """Which runs are joined, and what becomes of their mean."""

    members: Annotated[list[str], BeforeValidator(_paths)] = Field(
        default=[], json_schema_extra={"expected": "a list of the folders of two or more runs"}
    )
    """Folders of the runs whose fitted methods are joined: two or more, of this dataset."""
    runs: list[str] | None = None
    """Their ids, filled in; given, they have to be those."""
    methods: list[str] | None = None
    """Their methods, filled in."""
    close_gaps: Annotated[float, Field(ge=0, lt=1)] | None = None
    """For outlines (binary tasks): least depth of the foreground's catchment basins whose watershed lines become
    background, in the mean; 0 leaves outlines as predicted, null is what the members were set to.
    """


class Ensemble(BaseMethod):
    """Fitted methods of any kind, as one `segbench` method; nothing is fitted."""

    settings: EnsembleSettings
    filled_in = ("runs", "methods", "close_gaps")
    info = MethodInfo(
        name="ensemble",
        family="learned",
        summary="the mean of what the fitted methods of several runs predict",
        reference="Hansen, Salamon: Neural network ensembles, IEEE TPAMI 12(10):993-1001, 1990",
        settings=EnsembleSettings,
        tasks=("binary", "multiclass"),
        trains=False,
    )

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._members: list[Method] = []
        self._dataset: DatasetInfo | None = None

    @property
    def family(self) -> Family:
        """Classical where all members are."""
        families = {method_class(name).info.family for name in self.member_methods}
        return "classical" if families == {"classical"} else self.info.family

    @property
    def member_runs(self) -> Sequence[Path]:
        """The folders that `members` names."""
        return [Path(place) for place in self.settings.members]

    @property
    def member_methods(self) -> Sequence[str]:
        """Their methods, once they are filled in."""
        return self.settings.methods or ()

    def resolved(self, dataset: DatasetInfo) -> Mapping[str, Any]:
        """The configuration with the members' ids and methods, and the gaps that they close.

        Raises UserError for runs that cannot be joined.
        """
        del dataset
        return self._resolved([record for record, _ in found_members(self.member_runs)])

    def _resolved(self, records: Sequence[Record]) -> dict[str, Any]:
        runs, wanted = [record.run_id for record in records], self.settings.runs
        if wanted is not None and wanted != runs:
            raise UserError(f"members: the runs are {', '.join(runs)}; asked for are {', '.join(wanted)}")
        gaps = self.settings.close_gaps
        if gaps is None:
            gaps = _gaps_of([record.method.config for record in records])
        methods = [record.method.name for record in records]
        return {**self.config, "runs": runs, "methods": methods, "close_gaps": gaps}

    def open(self, dataset: DatasetInfo, device: str) -> None:
        """Load what the members have learned, which is what the configuration says."""
        found = found_members(self.member_runs)
        self._configure(self._resolved([record for record, _ in found]))
        members = [(record.method.name, record.method.config, folder) for record, folder in found]
        self._join(members, dataset, device)

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Raises UserError: its members are fitted, one by one."""
        del train, val, context
        raise UserError(f"method {self.info.name} joins fitted methods: it is not trained itself")

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Each image in its own size: mean probabilities of foreground of a binary task, else the likeliest labels."""
        return [self._prediction(self._mean(image), probabilities=False) for image in images]

    def predict_probabilities(self, images: Sequence[Uint8]) -> list[Prediction]:
        """The same with the mean probabilities of all classes."""
        return [self._prediction(self._mean(image), probabilities=True) for image in images]

    def save(self, folder: Path) -> None:
        """Write what each member has learned, so that the folder is enough to predict, and `ensemble.json`."""
        members = []
        for number, member in enumerate(self._ready()[0], 1):
            (folder / str(number)).mkdir(exist_ok=True)
            member.save(folder / str(number))
            members.append({"method": member.info.name, "config": dict(member.config)})
        content = {"close_gaps": self.settings.close_gaps, "members": members}
        write_text(folder / FILE, json.dumps(content, indent=2, sort_keys=True) + "\n")

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:
        """Become the ensemble that was saved there."""
        try:
            content = read_json(folder / FILE)
            gaps, members = content["close_gaps"], [(str(m["method"]), dict(m["config"])) for m in content["members"]]
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise UserError(f"'{folder / FILE}' does not say what was joined ({error}). Run it again.") from None
        if len(members) < 2 or [name for name, _ in members] != list(self.member_methods or [n for n, _ in members]):
            raise UserError(f"'{folder / FILE}' names other members than the run has: it was edited. Run it again.")
        if odd := [name for name, _ in members if not method_class(name).info.trains]:
            raise UserError(f"'{folder / FILE}' names {odd[0]}, which cannot be a member: it was edited. Run it again.")
        self._configure({**self.config, "close_gaps": gaps})
        places = [(name, config, folder / str(number)) for number, (name, config) in enumerate(members, 1)]
        self._join(places, dataset, device)

    def parameters(self) -> int | None:
        """Those of all members; None where one does not know."""
        return _sum(member.parameters() for member in self._members)

    def macs(self, shape: tuple[int, int]) -> int | None:
        """Those of all members; None where one does not know."""
        return _sum(member.macs(shape) for member in self._members)

    def _configure(self, config: Mapping[str, Any]) -> None:
        super()._configure(config)
        self.config = self.settings.model_dump()

    def _join(self, places: Sequence[tuple[str, Mapping[str, Any], Path]], dataset: DatasetInfo, device: str) -> None:
        """Load the methods of these names and configurations from these folders."""
        members = []
        for name, config, folder in places:
            member = make_method(name, config)
            member.load(folder, dataset, device)
            if member.predicts != "maps":
                raise UserError(f"method ensemble: {name} predicts {member.predicts} as it was set, which have no mean")
            if "close_gaps" in member.prediction_settings:
                member.predict_as({**member.config, "close_gaps": 0.0})
            members.append(member)
        self._members, self._dataset = members, dataset

    def _mean(self, image: Uint8) -> Float32:
        """Mean probabilities of an image: (H, W) of the foreground, or (C, H, W) of the classes.

        Images go one by one, since maps of many classes fill memory.
        """
        members, dataset = self._ready()
        many = dataset.task == "multiclass"
        total: Float32 | None = None
        for member in members:
            (prediction,) = member.predict_probabilities([image]) if many else member.predict([image])
            values = _probabilities(prediction, dataset)
            total = values if total is None else total + values
        assert total is not None
        return np.asarray(np.minimum(total / np.float32(len(members)), np.float32(1)), np.float32)

    def _prediction(self, mean: Float32, *, probabilities: bool) -> Prediction:
        if mean.ndim == 2:
            depth = self.settings.close_gaps
            return Prediction(probabilities=without_gaps(mean, depth) if depth else mean)
        ids = np.array([one.id for one in self._ready()[1].classes])
        labels = ids.astype(np.min_scalar_type(int(ids.max())) if ids.min() >= 0 else np.int32)[mean.argmax(0)]
        return Prediction(labels=labels, probabilities=mean if probabilities else None)

    def _ready(self) -> tuple[list[Method], DatasetInfo]:
        if self._dataset is None:
            raise UserError(f"this {self.info.name} is not loaded yet: open it first")
        return self._members, self._dataset


def _probabilities(prediction: Prediction, dataset: DatasetInfo) -> Float32:
    """What a member says of one image, as probabilities; where it says labels alone, it is certain of them."""
    if prediction.probabilities is not None:
        return prediction.probabilities.astype(np.float32, copy=False)
    assert prediction.labels is not None
    if dataset.task == "binary":
        return np.asarray(prediction.labels > 0, np.float32)
    ids = np.array([one.id for one in dataset.classes]).reshape(-1, 1, 1)
    return np.asarray(prediction.labels[None] == ids, np.float32)


def _gaps_of(configs: Sequence[Mapping[str, Any]]) -> float:
    """The `close_gaps` that all members were set to, 0 of one that has no such setting. Raises UserError otherwise."""
    told = sorted({float(config.get("close_gaps", 0.0)) for config in configs})
    if len(told) > 1:
        raise UserError(
            f"the members close gaps from {' and '.join(f'{depth:g}' for depth in told)} on: say what holds for their "
            "mean, such as --set close_gaps=0 for outlines as they are predicted"
        )
    return told[0]


def _sum(numbers: Iterable[int | None]) -> int | None:
    told = list(numbers)
    return None if None in told else sum(number for number in told if number is not None)
