"""What `bench doctor` found, as it is returned and printed with `--json`."""

from __future__ import annotations

from ..io.documents import Document


class Finding(Document):
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


class Diagnosis(Document):
    """All that was found, most damaging first; `score` is None with a `reason` where the predictions cannot be scored.

    `n_scored` samples entered the scores. `written` is the folder of the corrected predictions of
    `n_written` samples; None where none were written.
    """

    dataset: str
    split: str
    n_samples: int
    n_files: int
    n_scored: int
    score_name: str
    score: float | None
    reason: str | None
    findings: list[Finding]
    written: str | None = None
    n_written: int | None = None


class ModelDiagnosis(Diagnosis):
    """What was found about a model that exists: `card` is the text of a model card with all remedies, None without any.

    Scores are of the `n_scored` of `n_samples` samples on which nothing was found or chosen.
    """

    method: str
    card: str | None
