"""From suspicions to findings: the remedies that help, what is wrong with the files, and what weighs most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.what_is_left import left_to_score
from ..io.reporter import Reporter
from ..text import counted
from ..types import UserError
from .checked_predictions import CheckedPredictions, Score
from .document import Diagnosis, Finding
from .probability import inverted_in_part
from .remedies import misassigned, treat
from .repeated_maps import constant, identical
from .sampled_pixels import Suspicion

REFUSALS = frozenset({"undecodable", "missing", "duplicate_files"})
"""Kinds of findings that no remedy is applied for."""

NOTHING_LEFT = "nothing_left"
"""Kind of a finding that is about the truth."""


@dataclass(frozen=True)
class Weighed:
    """A finding and by how much it damages the score."""

    weight: float
    finding: Finding


def conclude(
    checked: CheckedPredictions, split: str, path: Path, reporter: Reporter, *, partial: bool
) -> tuple[Diagnosis, CheckedPredictions]:
    """Try the remedies of what is suspected and say what is wrong, most damaging first.

    Returns the diagnosis, and the predictions with all remedies that helped.

    Parameters
    ----------
    checked : CheckedPredictions
    split : str
    path : Path
        Where the predictions lie, for messages.
    reporter : Reporter
    partial : bool
        Samples without a prediction were left out on purpose.

    Raises
    ------
    UserError
        If no file belongs to a sample of the split.
    """
    reporter.say("scoring …")
    unnamed: list[Weighed] = []
    if not checked.matching:
        checked, found_order = _match_all(checked, path)
        unnamed.append(found_order)
    first = checked.score()
    state, score, treatments = treat(checked, first)
    found = [*unnamed, *(Weighed(t.weight, _finding(checked, t.suspicion, t.before, t.after)) for t in treatments)]
    found += _nothing_left(checked, split)
    found += _refusals(checked, state, score, partial=partial)
    found += _of_single_files(checked, state, first, score)
    nothing_left = any(weighed.finding.kind == NOTHING_LEFT for weighed in found)
    if score.of(state.main) is None and not nothing_left and not any(w.finding.score_after is not None for w in found):
        found.append(Weighed(1.0, _unscorable(score, checked.main)))
    reason = _reason(unnamed, found, first, partial=partial)
    diagnosis = Diagnosis(
        dataset=checked.dataset.info.name,
        split=split,
        n_samples=len(checked.truths),
        n_files=len({file.path for file in checked.listing.files}),
        n_scored=first.n,
        score_name=checked.main,
        score=None if reason else first.of(checked.main),
        reason=reason,
        findings=[weighed.finding for weighed in sorted(found, key=lambda weighed: -weighed.weight)],
    )
    return diagnosis, state


def _reason(unnamed: Sequence[Weighed], found: Sequence[Weighed], first: Score, *, partial: bool) -> str | None:
    """Why `bench evaluate` would refuse the predictions as they are, None where it would not."""
    kinds = ("undecodable", "duplicate_files") if partial else ("missing", "undecodable", "duplicate_files")
    refusals = sorted((w for w in found if w.finding.kind in kinds), key=lambda w: w.finding.kind != "missing")
    return next((w.finding.summary for w in (*unnamed, *refusals)), first.reason)


def _nothing_left(checked: CheckedPredictions, split: str) -> list[Weighed]:
    """What is wrong with the truth itself: no prediction could get a score from it that says anything."""
    left = left_to_score(checked.dataset.info, f"split '{split}'", (truth.pixels for truth in checked.truths.values()))
    return [
        Weighed(
            math.inf,
            Finding(
                kind=NOTHING_LEFT,
                summary=summary,
                evidence=[],
                remedy="Correct the truth, or how it is read; predictions cannot mend it.",
                score_before=None,
                score_after=None,
                estimate=False,
                n_samples=len(checked.truths),
            ),
        )
        for summary in filter(None, (left.refusal, *left.warnings))
    ]


def _match_all(checked: CheckedPredictions, path: Path) -> tuple[CheckedPredictions, Weighed]:
    """Files that are named by no sample: perhaps their order fits."""
    for suspicion in misassigned(checked):
        after = checked.with_remedy(suspicion)
        return after, Weighed(math.inf, _finding(checked, suspicion, Score(), after.score()))
    problem = f" ({checked.unreadable[0]})" if checked.unreadable else ""
    raise UserError(
        f"none of {counted(len(checked.listing.files), 'file')} below '{path}' can be read and belongs to a sample of "
        f"the split{problem}. Name each file by its sample id, for example {next(iter(checked.truths))}.png."
    )


def _finding(checked: CheckedPredictions, suspicion: Suspicion, before: Score, after: Score) -> Finding:
    evidence = list(suspicion.evidence)
    if before.reason:
        evidence.append(f"cannot be scored as it is: {before.reason}")
    if suspicion.kind == "probabilities" and before.of("dice") is not None and checked.main != "dice":
        evidence.append(f"dice {before.of('dice'):.4f} as it is, {after.of('dice') or 0.0:.4f} after the remedy")
    return Finding(
        kind=suspicion.kind,
        summary=suspicion.summary,
        evidence=evidence,
        remedy=suspicion.remedy,
        score_before=before.of(checked.main),
        score_after=after.of(checked.main),
        estimate=suspicion.estimate,
        n_samples=after.n,
    )


def _refusals(checked: CheckedPredictions, state: CheckedPredictions, score: Score, *, partial: bool) -> list[Weighed]:
    """Files that are unreadable, missing or given twice; weighed by the samples concerned."""
    listing, total, now = checked.listing, len(checked.truths), score.of(checked.main)
    found: list[Weighed] = []

    def refused(weight: float, kind: str, summary: str, evidence: list[str], remedy: str) -> None:
        finding = Finding(
            kind=kind,
            summary=summary,
            evidence=evidence,
            remedy=remedy,
            score_before=None,
            score_after=now,
            estimate=now is not None,
            n_samples=score.n,
        )
        found.append(Weighed(weight, finding))

    if checked.unreadable:
        text = f"{counted(len(checked.unreadable), 'file')} cannot be decoded"
        refused(
            len(checked.unreadable) / total, "undecodable", text, list(checked.unreadable[:10]), "Write them again."
        )
    missing = [i for i in checked.truths if i not in state.matching and i not in checked.unread]
    if missing and not partial:
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
    return found


def _of_single_files(
    checked: CheckedPredictions, state: CheckedPredictions, first: Score, score: Score
) -> list[Weighed]:
    """Predictions of which some are inverted, which comes first; or constant, or copies of each other.

    No remedy for all of them can be tried.
    """
    view = state.view(len(checked.truths))
    return [
        Weighed(
            1.0 if suspicion.kind == "inverted_in_part" else 0.0,
            Finding(
                kind=suspicion.kind,
                summary=suspicion.summary,
                evidence=list(suspicion.evidence),
                remedy=suspicion.remedy,
                score_before=first.of(checked.main),
                score_after=None,
                estimate=False,
                n_samples=score.n,
            ),
        )
        for suspicion in (*inverted_in_part(view), *constant(view), *identical(view))
    ]


def _unscorable(score: Score, main: str) -> Finding:
    return Finding(
        kind="unscorable",
        summary="the predictions cannot be scored, and no known mistake explains why",
        evidence=[score.reason or f"{main} is undefined"],
        remedy="See the message; 'bench data describe' lists the label values that are expected.",
        score_before=None,
        score_after=None,
        estimate=False,
        n_samples=score.n,
    )


def _some(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
