"""`bench doctor`: what is wrong with predictions, why, and what they would score after the remedy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..diagnosis.checked_predictions import Case, Score, examine
from ..diagnosis.lenient_reading import Listing, list_files
from ..diagnosis.remedies import stems, treat
from ..diagnosis.repeated_maps import constant, identical
from ..diagnosis.sampled_pixels import Suspicion
from ..io.reporter import Reporter
from ..registry import dataset_class
from ..runs.open_data import note_size, open_dataset
from ..runs.request import DoctorRequest as DoctorRequest
from ..text import counted
from ..types import UserError


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. Scores are the main score's, None where undefined or impossible.

    A remedy's scores assume that the remedies of the findings above it were applied.
    """

    kind: str
    summary: str
    evidence: list[str]
    remedy: str
    score_before: float | None
    score_after: float | None
    estimate: bool
    n_samples: int


@dataclass(frozen=True)
class Diagnosis:
    """All that was found, most damaging first; `score` is None with a `reason` where the predictions cannot be scored.

    `n_scored` samples entered the scores.
    """

    dataset: str
    split: str
    n_samples: int
    n_files: int
    n_scored: int
    score_name: str
    score: float | None
    reason: str | None
    findings: list[Finding] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)


def diagnose(request: DoctorRequest, reporter: Reporter) -> Diagnosis:
    """Do what `bench doctor` says; nothing is written.

    Raises
    ------
    UserError
        If there is nothing to diagnose: no data, no predictions, or no file that belongs to the split.
    """
    info = dataset_class(request.dataset).info
    dataset, _ = open_dataset(info.name, request.root, "auto", {}, reporter, may_synthesize=False)
    info = dataset.info  # of a folder of one's own it is known only now
    split = request.split or info.default_split
    if split in info.splits and not info.splits[split].labelled:
        raise UserError(f"split '{split}' of {info.name} has no public labels, so nothing can be scored here")
    ids = dataset.ids(split)
    note_size(dataset, split, len(ids), {}, reporter)
    listing = list_files(dataset, ids, request.predictions)
    case = examine(dataset, ids, listing, reporter)
    return _conclude(request, split, case, listing, reporter)


def _conclude(request: DoctorRequest, split: str, case: Case, listing: Listing, reporter: Reporter) -> Diagnosis:
    reporter.say("scoring …")
    found: list[tuple[float, Finding]] = []
    if not case.matching:
        case = _match_all(case, request.predictions, found)
    unnamed = [f for _, f in found]
    first = case.score()
    state, score, treatments = treat(case, first)
    found += [(t.weight, _finding(case, t.suspicion, t.before, t.after)) for t in treatments]
    found += _file_findings(request, case, state, first, score)
    if score.of(state.main) is None and not any(f.score_after is not None for _, f in found):
        found.append((1.0, _unscorable(score, case.main)))
    refusals = [] if request.partial else [f for _, f in found if f.kind == "missing"]
    refusals += [f for _, f in found if f.kind in ("undecodable", "duplicate_files")]
    reason = next((f.summary for f in (*unnamed, *refusals)), first.reason)
    return Diagnosis(
        case.dataset.info.name,
        split,
        len(case.truths),
        len({file.path for file in listing.files}),
        first.n,
        case.main,
        None if reason else first.of(case.main),
        reason,
        [finding for _, finding in sorted(found, key=lambda entry: -entry[0])],
    )


def _match_all(case: Case, path: Path, found: list[tuple[float, Finding]]) -> Case:
    """Files that are named by no sample: perhaps their order fits."""
    for suspicion in stems(case):
        after = case.with_remedy(suspicion)
        found.append((math.inf, _finding(case, suspicion, Score(), after.score())))
        return after
    problem = f" ({case.unreadable[0]})" if case.unreadable else ""
    raise UserError(
        f"none of {counted(len(case.listing.files), 'file')} below '{path}' can be read and belongs to a sample of the "
        f"split{problem}. Name each file by its sample id, for example {next(iter(case.truths))}.png."
    )


def _finding(case: Case, suspicion: Suspicion, before: Score, after: Score) -> Finding:
    evidence = list(suspicion.evidence)
    if before.reason:
        evidence.append(f"cannot be scored as it is: {before.reason}")
    if suspicion.kind == "probabilities" and before.of("dice") is not None and case.main != "dice":
        evidence.append(f"dice {before.of('dice'):.4f} as it is, {after.of('dice') or 0.0:.4f} after the remedy")
    return Finding(
        suspicion.kind,
        suspicion.summary,
        evidence,
        suspicion.remedy,
        before.of(case.main),
        after.of(case.main),
        suspicion.estimate,
        after.n,
    )


def _file_findings(
    request: DoctorRequest, case: Case, state: Case, first: Score, score: Score
) -> list[tuple[float, Finding]]:
    """Files that are unreadable, missing, given twice, constant or copies; weighed by the samples concerned."""
    listing, total, now = case.listing, len(case.truths), score.of(case.main)
    found: list[tuple[float, Finding]] = []

    def refused(weight: float, kind: str, summary: str, evidence: list[str], remedy: str) -> None:
        found.append((weight, Finding(kind, summary, evidence, remedy, None, now, now is not None, score.n)))

    if case.unreadable:
        text = f"{counted(len(case.unreadable), 'file')} cannot be decoded"
        refused(len(case.unreadable) / total, "undecodable", text, list(case.unreadable[:10]), "Write them again.")
    missing = [i for i in case.truths if i not in state.matching and i not in case.unread]
    if missing and not request.partial:
        lines = [_some(missing)]
        if listing.extra:
            lines.append(f"{counted(len(listing.extra), 'file')} of no sample: {_some(listing.extra)}")
        lines.append(f"the score is that of the {counted(len(state.matching), 'sample')} with a prediction")
        text = f"{len(missing)} of {total} samples have no prediction"
        remedy = "Write a file named by its sample id for each; to score a subset on purpose, add --partial."
        refused((now or 0.0) * len(missing) / total, "missing", text, lines, remedy)
    if listing.twice:
        lines = [f"{i}: {', '.join(files)}" for i, files in list(listing.twice.items())[:5]]
        lines.append("the score is that of the first of each")
        text = f"{counted(len(listing.twice), 'sample')} with more than one prediction"
        refused((now or 0.0) * len(listing.twice) / total, "duplicate_files", text, lines, "Keep one file each.")
    view, before = state.view(total), first.of(case.main)
    for s in (*constant(view), *identical(view)):
        found.append((0.0, Finding(s.kind, s.summary, list(s.evidence), s.remedy, before, None, False, score.n)))
    return found


def _unscorable(score: Score, main: str) -> Finding:
    return Finding(
        "unscorable",
        "the predictions cannot be scored, and no known mistake explains why",
        [score.reason or f"{main} is undefined"],
        "See the message; 'bench data describe' lists the label values that are expected.",
        None,
        None,
        False,
        score.n,
    )


def _some(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
