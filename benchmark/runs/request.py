"""What a user asks `bench` for, and the command line that asks for it again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.locations import Source
from .fitted_method import BATCH
from .presets import setting


@dataclass(frozen=True)
class RunRequest:
    """What the user asked for, as on the command line."""

    dataset: str
    method: str
    split: str | None = None
    preset: str = "quick"
    seed: int = 0
    device: str = "auto"
    root: Path | None = None
    source: Source = "auto"
    folds: int | None = None
    train_fraction: float = 1.0
    settings: dict[str, Any] = field(default_factory=dict)
    out: Path | None = None
    save_predictions: bool = False
    workers: int = 0
    resume: bool = False
    weights: Path | None = None

    def command(self) -> str:
        """The command line that makes the run again."""
        words = ["bench", "run", "--dataset", self.dataset, "--method", self.method]
        defaults = RunRequest(self.dataset, self.method)
        for name in (
            "split",
            "preset",
            "seed",
            "device",
            "root",
            "source",
            "folds",
            "train_fraction",
            "workers",
            "weights",
        ):
            value = getattr(self, name)
            if value != getattr(defaults, name):
                words += [f"--{name.replace('_', '-')}", str(value)]
        for key, value in self.settings.items():
            words += ["--set", setting(key, value)]
        words += ["--save-predictions"] if self.save_predictions else []
        return shlex.join(words)

    def resume_command(self) -> str:
        """The command line that goes on with it where it is."""
        out = ["--out", str(self.out)] if self.out is not None else []
        return f"{self.command()} {shlex.join([*out, '--resume'])}"


@dataclass(frozen=True)
class EvaluateRequest:
    """What the user asked for, as on the command line."""

    dataset: str
    predictions: Path
    name: str | None = None
    split: str | None = None
    root: Path | None = None
    partial: bool = False
    out: Path | None = None
    workers: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    save_predictions: bool = False

    def command(self) -> str:
        """The command line that does it again."""
        words = ["bench", "evaluate", "--dataset", self.dataset, "--predictions", str(self.predictions)]
        for name in ("name", "split", "root"):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name}", str(value)]
        for key, value in self.settings.items():
            words += ["--set", setting(key, value)]
        for name in self.metrics:
            words += ["--metric", name]
        words += ["--partial"] if self.partial else []
        words += ["--save-predictions"] if self.save_predictions else []
        return shlex.join(words)


@dataclass(frozen=True)
class PredictRequest:
    """What was asked for on the command line; `fold` counts from 1."""

    run: Path
    input: Path
    out: Path
    device: str = "auto"
    batch: int = BATCH
    fold: int | None = None
    resume: bool = False

    def command(self) -> str:
        """The command that does the same, without --resume."""
        words = ["bench", "predict", str(self.run), str(self.input), "--out", str(self.out)]
        for name, value, usual in (("device", self.device, "auto"), ("batch", self.batch, BATCH)):
            words += [f"--{name}", str(value)] if value != usual else []
        words += ["--fold", str(self.fold)] if self.fold is not None else []
        return shlex.join(words)
