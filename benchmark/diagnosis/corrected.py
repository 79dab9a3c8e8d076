"""Predictions with their remedies, as files that `bench evaluate` takes."""

from __future__ import annotations

from pathlib import Path

from ..io.reporter import Reporter
from ..predictions.find import REMEDIES
from ..predictions.matching import Found
from ..predictions.official_formats import new_folder
from ..predictions.stored import store_found
from .checked_predictions import CheckedPredictions
from .conclusions import REFUSALS
from .document import Diagnosis
from .lenient_reading import Remedied


def write_corrected(
    corrected: CheckedPredictions, diagnosis: Diagnosis, source: Path, out: Path, reporter: Reporter
) -> int:
    """Write predictions as the remedies make them into a new folder, with a text that says how they were made.

    Parameters
    ----------
    corrected : CheckedPredictions
        With the remedies that helped. Files that cannot be read, and samples without one, are left out.
    diagnosis : Diagnosis
    source : Path
        Where the predictions lie.
    out : Path
        Does not exist, or is an empty folder.

    Returns
    -------
    int
        How many samples were written; 0 where no remedy was found, and nothing was written.

    Raises
    ------
    UserError
        For values that no file can keep; `out` is then as it was.
    """
    as_they_are = corrected.listing.matching
    if not corrected.remedy_functions and all(as_they_are.get(i) == n for i, n in corrected.matching.items()):
        reporter.warn(f"no remedy was found that could be applied: '{out}' was not written")
        return 0
    files = {
        sample_id: Remedied(
            corrected.listing.files[corrected.matching[sample_id]], corrected.remedy_functions, truth.shape
        )
        for sample_id, truth in corrected.truths.items()
        if sample_id in corrected.matching
    }
    with new_folder(out) as place, reporter.progress("writing corrected predictions") as update:
        store_found(
            place,
            corrected.dataset,
            Found(files),
            diagnosis.split,
            whole=len(files) == len(corrected.truths),
            soft=True,
            progress=lambda done: update(done, len(files), ""),
        )
        (place / REMEDIES).write_text(_told(diagnosis, source, len(files)), encoding="utf-8")
    return len(files)


def _told(diagnosis: Diagnosis, source: Path, count: int) -> str:
    """How the files beside it were made, in lines."""
    lines = [
        f"Made by 'bench doctor --out' from '{source}': {count} of {diagnosis.n_samples} samples of "
        f"{diagnosis.dataset}, split {diagnosis.split}.",
        "The remedies were chosen with the truth at hand. Mend what wrote the predictions, and score that.",
        "",
    ]
    for finding in diagnosis.findings:
        if finding.kind not in REFUSALS and finding.score_after is not None:
            lines += [f"{finding.kind}: {finding.summary}", f"  remedy: {finding.remedy}"]
    return "\n".join(lines) + "\n"
