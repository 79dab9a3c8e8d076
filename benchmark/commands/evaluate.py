"""`bench evaluate`: score anybody's predictions against ground truth alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..evaluation.scoring import score, score_warnings, scored_in_part
from ..figures.run_figures import RunFigures
from ..io.fingerprints import files_sha256
from ..io.reporter import Reporter
from ..runs.current import why_not_current
from ..runs.folder import INSTANCES, PLOTS, refuse_foreign
from ..runs.identity import evaluated_identity
from ..runs.on_ray.cluster import refuse_without_ray
from ..runs.on_ray.measuring import map_on_ray
from ..runs.predictions_to_score import PredictionsToScore
from ..runs.record import Record
from ..runs.request import EvaluateRequest
from ..runs.writer import RunWriter
from ..types import UserError

__all__ = ["EvaluateRequest", "evaluate_files"]


def evaluate_files(request: EvaluateRequest, reporter: Reporter) -> tuple[Path, Record]:
    """Do what `bench evaluate` says and return the run folder with its record.

    Raises
    ------
    UserError
        For missing, duplicate, unreadable or mis-shaped predictions; nothing is written then. For label values that
        cannot be stored; no record is written then.
    """
    if request.engine == "ray":
        refuse_without_ray()
    elif request.address is not None:
        raise UserError("--address names a Ray cluster: add --engine ray, or leave it out")
    task = PredictionsToScore.find(request, reporter)
    if request.instances:
        task.refuse_without_instances()
    dataset, metrics = task.dataset, task.metrics
    block = task.dataset_block()
    versions = {metric.name: metric.version for metric in metrics}
    predictions = files_sha256(task.found.paths)
    identity = evaluated_identity(block.model_dump(mode="json"), versions, task.name, predictions, request.family)
    about = (identity, request.out, request.command(), request.overwrite)
    writer = RunWriter.of(dataset.info.name, task.name, *about)
    if request.out is not None:
        refuse_foreign(writer.folder)
    earlier, first = writer.earlier(), task.record(block, writer)
    if earlier is not None and _stands(writer, earlier, first, request, reporter):
        return writer.folder, earlier
    statistics = task.measure(reporter, map_on_ray(request.address, reporter) if request.engine == "ray" else None)
    scored = score(statistics, metrics, dataset.info)
    for warning in (*score_warnings(scored, metrics, dataset.info), *scored_in_part(statistics, metrics)):
        reporter.warn(warning)
    main = first.main_score if first.main_score in scored.scores else next(iter(scored.scores))
    with writer.locked() as earlier, writer.replacing(earlier is not None) as making:
        making.clear()
        if request.save_predictions:
            task.store(making.folder, reporter)
        making.write_config()
        making.write_statistics(statistics, metrics)
        if request.instances:
            task.write_instances(making.folder / INSTANCES, reporter)
        if request.plots:
            _figures(task).write(making.folder / PLOTS, statistics, reporter.warn)
        making.write_log(first, reporter.warnings)
        record = making.finish(first, statistics, scored, reporter.warnings, main_score=main)
    return writer.folder, record


def _stands(writer: RunWriter, earlier: Record, first: Record, request: EvaluateRequest, reporter: Reporter) -> bool:
    """Whether a finished evaluation is the result that is asked for, and say so."""
    kept = request.save_predictions
    why = why_not_current(writer.folder, earlier, first, predictions=kept, plots=request.plots)
    if not why and request.instances and not (writer.folder / INSTANCES).is_file():
        why = f"it has no {INSTANCES}"
    if why or request.overwrite:
        why = why or "--overwrite asks for a new one"
        reporter.say(f"{writer.folder} is there already, but {why}: it is made again and then takes its place")
        return False
    reporter.say(f"{writer.folder} is complete and current: this is its result (--overwrite makes it again)")
    return True


def _figures(task: PredictionsToScore) -> RunFigures:
    """What the metric families draw, from predictions that are read once more."""
    found: Sequence[str] = tuple(task.found.files)
    figures = RunFigures.of(task.dataset, found, task.metrics)
    wanted = [i for i in found if i in figures.wanted]
    for _ in figures.tee((sample_id, task.found.files[sample_id].read(task.dataset)) for sample_id in wanted):
        pass
    return figures
