"""The mean of several fitted methods: what runs that were made one by one are worth together.

Each member predicts as it was set, and their probabilities are averaged. A member that says only a label counts as
certain of it, so methods without probabilities vote. Gaps of outlines are closed in the mean, not in each member.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from segbench.errors import UserError
from segbench.io.atomic import write_text
from segbench.io.fingerprints import folder_sha256
from segbench.io.text_files import read_json
from segbench.methods import BaseMethod
from segbench.methods.watershed_lines import without_gaps
from segbench.registry import make_method, method_class
from segbench.runs.fitted_method import find_checkpoint
from segbench.settings import Settings
from segbench.types import DatasetInfo, Family, FitContext, Float32, Method, MethodInfo, Prediction, Samples, Uint8

FILE = "ensemble.json"


class EnsembleSettings(Settings):
    """Which runs are joined, and what becomes of their mean."""

    members: list[str] = Field(default=[], json_schema_extra={"expected": "the folders of two or more runs"})
    """Folders of the runs whose fitted methods are joined: two or more, of this dataset."""
    members_sha256: list[str] | None = None
    """SHA-256 of what each of them has learned, filled in; given, they have to be those."""
    methods: list[str] | None = None
    """Their methods, filled in."""
    close_gaps: Annotated[float, Field(ge=0, lt=1)] | None = None
    """For outlines (binary tasks): least depth of the foreground's catchment basins whose watershed lines become
    background, in the mean; 0 leaves outlines as predicted, null is what the members were set to.
    """


class Ensemble(BaseMethod):
    """Fitted methods of any kind, as one `segbench` method; nothing is fitted."""

    settings: EnsembleSettings
    filled_in = ("members_sha256", "methods", "close_gaps")
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
        self._members: list[tuple[Method, Path]] = []
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
        """The configuration with the members' methods and hashes, and the gaps that they close.

        Raises UserError for fewer than two members, one that is there twice, or a run that has nothing fitted.
        """
        del dataset
        if len(self.settings.members) < 2:
            raise UserError("method ensemble: name two or more runs: --set 'members=[runs/ONE, runs/OTHER]'")
        found = [find_checkpoint(place, None) for place in self.member_runs]
        for place, (record, _) in zip(self.member_runs, found, strict=True):
            told = method_class(record.method.name).info
            if record.dataset.folds:
                raise UserError(
                    f"member '{place}' was fitted in {record.dataset.folds} folds: name runs without --folds"
                )
            if told.name == self.info.name:
                raise UserError(f"member '{place}' is an ensemble itself: name its members in its place")
            if told.runs_code:
                raise UserError(f"member '{place}' is a run of {told.name}, which runs code: it cannot be a member")
        hashes = [folder_sha256(folder) for _, folder in found]
        wanted = self.settings.members_sha256
        if wanted is not None and wanted != hashes:
            raise UserError(f"members: the SHA-256 of what they have learned are {hashes}, asked for are {wanted}")
        for later, place in enumerate(self.member_runs):
            if (first := hashes.index(hashes[later])) != later:
                raise UserError(
                    f"members: '{place}' has learned the same as '{self.member_runs[first]}': leave one out"
                )
        gaps = self.settings.close_gaps
        methods = [record.method.name for record, _ in found]
        configs = [record.method.config for record, _ in found]
        more = {"close_gaps": _gaps_of(configs) if gaps is None else gaps, "methods": methods}
        return {**self.config, **more, "members_sha256": hashes}

    def open(self, dataset: DatasetInfo, device: str) -> None:
        """Load what the members have learned, which is what the configuration says."""
        self._configure(self.resolved(dataset))
        for place in self.member_runs:
            record, folder = find_checkpoint(place, None)
            self._join(record.method.name, record.method.config, folder, dataset, device)

    def fit(self, train: Samples, val: Samples, context: FitContext) -> None:
        """Raises UserError: its members are fitted, one by one."""
        del train, val, context
        raise UserError(f"method {self.info.name} joins fitted methods: it is not trained itself")

    def predict(self, images: Sequence[Uint8]) -> list[Prediction]:
        """Each image in its own size: mean probabilities of foreground of a binary task, else the likeliest labels."""
        return [self._prediction(mean, probabilities=False) for mean in self._means(images)]

    def predict_probabilities(self, images: Sequence[Uint8]) -> list[Prediction]:
        """The same with the mean probabilities of all classes."""
        return [self._prediction(mean, probabilities=True) for mean in self._means(images)]

    def save(self, folder: Path) -> None:
        """Write what each member has learned, so that the folder is enough to predict, and `ensemble.json`."""
        members = []
        for number, (member, place) in enumerate(self._opened(), 1):
            shutil.copytree(place, folder / str(number), dirs_exist_ok=True)
            members.append({"method": member.info.name, "config": dict(member.config)})
        content = {"config": dict(self.config), "members": members}
        write_text(folder / FILE, json.dumps(content, indent=2, sort_keys=True) + "\n")

    def load(self, folder: Path, dataset: DatasetInfo, device: str) -> None:
        """Become the ensemble that was saved there."""
        try:
            content = read_json(folder / FILE)
            config, members = (
                dict(content["config"]),
                [(str(m["method"]), dict(m["config"])) for m in content["members"]],
            )
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise UserError(f"'{folder / FILE}' does not say what was joined ({error}). Run it again.") from None
        self._configure(config)
        for number, (name, settings) in enumerate(members, 1):
            if method_class(name).info.runs_code:
                raise UserError(f"'{folder / FILE}' names {name}, which runs code: it cannot be a member")
            self._join(name, settings, folder / str(number), dataset, device)

    def parameters(self) -> int | None:
        """Those of all members; None where one does not know."""
        return _sum(member.parameters() for member, _ in self._members)

    def macs(self, shape: tuple[int, int]) -> int | None:
        """Those of all members; None where one does not know."""
        return _sum(member.macs(shape) for member, _ in self._members)

    def _join(self, name: str, config: Mapping[str, Any], folder: Path, dataset: DatasetInfo, device: str) -> None:
        member = make_method(name, config)
        member.load(folder, dataset, device)
        if member.predicts != "maps":
            raise UserError(f"method ensemble: {name} predicts {member.predicts} as it was set, which have no mean")
        if "close_gaps" in member.prediction_settings:
            member.predict_as({**member.config, "close_gaps": 0.0})
        self._members.append((member, folder))
        self._dataset = dataset

    def _means(self, images: Sequence[Uint8]) -> list[Float32]:
        """Mean probabilities of each image: (H, W) of the foreground, or (C, H, W) of the classes."""
        members, dataset = self._opened(), self._ready()
        many = dataset.task == "multiclass"
        totals: list[Float32] = []
        for member, _ in members:
            predictions = member.predict_probabilities(images) if many else member.predict(images)
            maps = [_probabilities(prediction, dataset) for prediction in predictions]
            totals = [total + each for total, each in zip(totals, maps, strict=True)] if totals else maps
        return [np.minimum(total / np.float32(len(members)), np.float32(1)) for total in totals]

    def _prediction(self, mean: Float32, *, probabilities: bool) -> Prediction:
        if mean.ndim == 2:
            depth = self.settings.close_gaps
            return Prediction(probabilities=without_gaps(mean, depth) if depth else mean)
        ids = np.array([one.id for one in self._ready().classes])
        labels = ids.astype(np.min_scalar_type(int(ids.max())) if ids.min() >= 0 else np.int32)[mean.argmax(0)]
        return Prediction(labels=labels, probabilities=mean if probabilities else None)

    def _opened(self) -> list[tuple[Method, Path]]:
        if not self._members:
            raise UserError(f"this {self.info.name} is not loaded yet: open it first")
        return self._members

    def _ready(self) -> DatasetInfo:
        self._opened()
        assert self._dataset is not None
        return self._dataset


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
