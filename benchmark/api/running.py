"""`segbench.run` and `segbench.evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UserError
from .reporting import ShowProgress, reporter_for
from .stored_run import Run

if TYPE_CHECKING:
    from ..data.locations import Source


def run(
    dataset: str,
    method: str,
    *,
    split: str | None = None,
    preset: str = "quick",
    seed: int = 0,
    device: str = "auto",
    root: str | PathLike[str] | None = None,
    source: Source = "auto",
    folds: int | None = None,
    train_fraction: float = 1.0,
    train_on: Literal["train", "train+val"] = "train",
    settings: Mapping[str, Any] | None = None,
    out: str | PathLike[str] | None = None,
    save_predictions: bool = False,
    workers: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    plots: bool = True,
    weights: str | PathLike[str] | None = None,
    corrupt: str | None = None,
    metrics: Sequence[str] = (),
    init: str | PathLike[str] | None = None,
    freeze: Literal["encoder"] | None = None,
    log: Sequence[str] = (),
    progress: ShowProgress = "auto",
) -> Run:
    """Fit a method, predict, evaluate and write a run folder: what `bench run` does.

    Parameters
    ----------
    dataset, method : str
        Names; see `segbench.list_datasets` and `segbench.list_methods`.
    split : str, optional
        The split to score, or `all` for every labelled sample; by default the dataset's own.
    preset : str
        `quick` (CPU, minutes), `standard` (one GPU, an hour at most) or `paper`.
    seed : int
        Seed of everything that is random, 0 to 2^63 - 1.
    device : str
        `auto`, `cpu`, `cuda` or `mps`.
    root : path, optional
        Folder with the dataset's official layout; by default `$SEGBENCH_DATA/<dataset>`.
    source : str
        `auto` takes real data where it is found, else a small synthetic sample; `real` or `synthetic` insist.
    folds : int, optional
        K-fold cross-validation over all labelled samples, from 2.
    train_fraction : float
        Part of the training samples to use, above 0 up to 1.
    train_on : str
        The splits to learn from: `train`, or `train+val` for a last training, once nothing is to be chosen any more.
    settings : mapping, optional
        Settings of the method or options of the dataset that differ from the preset.
    out : path, optional
        The run folder; by default `runs/<dataset>-<method>-<short hash>`.
    save_predictions : bool
        Keep the predictions in the run folder.
    workers : int
        Threads or processes that measure; 0 measures while it predicts.
    resume : bool
        Continue an interrupted run of the same settings.
    overwrite : bool
        Repeat a finished run, and replace it when the new one is complete. Without this, a run that is complete and
        up to date is returned as it is.
    plots : bool
        Draw what the metric families plot, into the run folder.
    weights : path, optional
        A run of the same training: its weights are used, and only the prediction is repeated.
    corrupt : str, optional
        `NAME:LEVEL`, what is done to the images that are predicted, such as `noise:3`; see docs/robustness.md.
    metrics : sequence of str
        Metric families to add; see `segbench.list_metrics`.
    init : path, optional
        A run, or a file of weights (safetensors or a state dict): training starts from those whose names and shapes
        match.
    freeze : str, optional
        `encoder` takes that part of the network out of training.
    log : sequence of str
        Where training and scores are logged as well: `tensorboard`, `wandb`, `mlflow`, `csv`; see docs/integrations.md.
    progress : bool, "auto" or Reporter
        Bars always, never, or where someone watches: in a notebook and at a terminal.

    Returns
    -------
    Run
        The run folder with its record.

    Raises
    ------
    UserError
        For wrong names, settings or data: says what was found, what was expected and what to do.
    KeyboardInterrupt
        After Ctrl-C or the notebook's stop button; what was trained so far is kept for `resume=True`.

    Warns
    -----
    SegbenchWarning
        For what should be known before the result is trusted; `Run.warnings` holds it too.

    Examples
    --------
    >>> found = run("medaka", "unet", settings={"epochs": 20})                          # doctest: +SKIP
    >>> found.main.value, found.main.low, found.main.high                               # doctest: +SKIP
    """
    from ..commands.run import run as do_run
    from ..registry.metric_names import metric_names
    from ..runs.devices import process_rank
    from ..runs.options import as_typed
    from ..runs.request import RunRequest

    _refuse_text("log", log)
    if process_rank():
        raise UserError(
            "segbench.run was started in several processes, of which the first alone could return a run. Train on "
            f"several GPUs from the command line: accelerate launch -m segbench run --dataset {dataset} …"
        )
    request = as_typed(
        RunRequest(
            dataset=dataset,
            method=method,
            split=split,
            preset=preset,
            seed=seed,
            device=device,
            root=_path(root),
            source=source,
            folds=folds,
            train_fraction=train_fraction,
            train_on=train_on,
            settings=dict(settings or {}),
            out=_path(out),
            save_predictions=save_predictions,
            workers=workers,
            resume=resume,
            overwrite=overwrite,
            plots=plots,
            weights=_path(weights),
            corrupt=corrupt,
            metrics=metric_names(metrics),
            init=_path(init),
            freeze=freeze,
            log=tuple(dict.fromkeys(log)),
        )
    )
    return Run(*do_run(request, reporter_for(progress)))


def evaluate(
    dataset: str,
    predictions: str | PathLike[str],
    *,
    name: str | None = None,
    split: str | None = None,
    root: str | PathLike[str] | None = None,
    partial: bool = False,
    out: str | PathLike[str] | None = None,
    save_predictions: bool = False,
    workers: int | None = None,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    settings: Mapping[str, Any] | None = None,
    metrics: Sequence[str] = (),
    overwrite: bool = False,
    plots: bool = True,
    instances: bool = False,
    family: Literal["external", "human"] = "external",
    progress: ShowProgress = "auto",
) -> Run:
    """Score anybody's predictions and write a run folder: what `bench evaluate` does. Needs ground truth only.

    For arrays and tensors in memory there is `segbench.Evaluator`.

    Parameters
    ----------
    dataset : str
        Name of a dataset; see `segbench.list_datasets`.
    predictions : path
        Folder of predictions with one file for each sample, or one stack.
    name : str, optional
        Name on the leaderboard; by default the file's stem.
    split : str, optional
        The split to score, or `all`; by default the dataset's own.
    root : path, optional
        Folder with the dataset's official layout; by default `$SEGBENCH_DATA/<dataset>`.
    partial : bool
        Score a deliberate subset, recorded as incomplete; else a missing prediction is an error.
    out : path, optional
        The run folder; by default `runs/<dataset>-<name>-<short hash>`.
    save_predictions : bool
        Keep the scored predictions in the run folder.
    workers : int, optional
        Threads or processes that measure; by default chosen by size.
    engine : str
        `ray` measures on a Ray cluster; the result is the same bit for bit.
    address : str, optional
        Of that cluster: `HOST:PORT`, `auto`, or `local` for one that is started for this and ends with it.
    settings : mapping, optional
        Options of the dataset.
    metrics : sequence of str
        Metric families to add; see `segbench.list_metrics`.
    overwrite : bool
        Score again what was scored already. Without this, a result that is complete and up to date is returned.
    plots : bool
        Draw what the metric families plot, into the run folder.
    instances : bool
        Of predicted segments, write a row for each into the run folder (`instances.csv`).
    family : str
        `human` for the masks of one person, which stand as a range beside the methods and are never ranked.
    progress : bool, "auto" or Reporter
        Bars always, never, or where someone watches: in a notebook and at a terminal.

    Returns
    -------
    Run
        The run folder with its record.

    Raises
    ------
    UserError
        For wrong names, and for missing, duplicate, unreadable or mis-shaped predictions.

    Warns
    -----
    SegbenchWarning
        For what should be known before the result is trusted; `Run.warnings` holds it too.

    Examples
    --------
    >>> found = evaluate("isbi2012", "mine.tif", root="data/isbi2012", metrics=["boundary"])  # doctest: +SKIP
    >>> found.per_sample().head()                                                             # doctest: +SKIP
    """
    from ..commands.evaluate import evaluate_files
    from ..registry.metric_names import metric_names
    from ..runs.options import as_typed
    from ..runs.request import EvaluateRequest

    request = as_typed(
        EvaluateRequest(
            dataset=dataset,
            predictions=Path(predictions),
            name=name,
            family=family,
            split=split,
            root=_path(root),
            partial=partial,
            out=_path(out),
            save_predictions=save_predictions,
            workers=workers,
            engine=engine,
            address=address,
            settings=dict(settings or {}),
            metrics=metric_names(metrics),
            overwrite=overwrite,
            plots=plots,
            instances=instances,
        )
    )
    return Run(*evaluate_files(request, reporter_for(progress)))


def _refuse_text(name: str, words: Sequence[str]) -> None:
    if isinstance(words, str):
        raise UserError(f"{name}='{words}' is one text; expected a sequence, such as ('{words}',)")


def _path(path: str | PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)
