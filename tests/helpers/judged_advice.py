"""What `bench doctor` says of random mistakes, judged by the score that the predictions really deserve."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from random_mistakes import Mistake, Raw, Truths, mistakes, model, without_mistake

from diagnosed_cases import Maps, write
from segbench.commands.doctor import Diagnosis, DoctorRequest, diagnose
from segbench.io.reporter import Reporter

NO_REMEDY = frozenset({"constant", "copies", "missing", "unscorable"})
TOLERANCE = 0.01


@dataclass(frozen=True)
class Trial:
    """One set of predictions: what was done to it, the score it deserves, and what the doctor said."""

    dataset: str
    mistake: str
    is_mistake: bool
    deserved: float
    before: float | None
    after: float | None
    kinds: tuple[str, ...]
    found: bool
    false: bool

    def line(self) -> str:
        """All of it on one line."""
        verdict = "FALSE" if self.false else "missed"
        before, after = (f"{v:.3f}" if v is not None else "–" for v in (self.before, self.after))
        scores = f"{before} → {after} of {self.deserved:.3f}"
        return f"{verdict} {self.dataset} '{self.mistake}': {scores} {', '.join(self.kinds) or 'nothing'}"


def trials(truths: Truths, folder: Path, seed: int, models: int, each: int, bad: int) -> Iterator[Trial]:
    """Sets of predictions of varying quality, each as it is and with some random mistakes, and bad ones."""
    random = np.random.default_rng(seed)
    for number in range(models):
        predictions = model(truths, random, float(random.uniform(0.3, 0.95)))
        right = _diagnose(truths, predictions, ".png", folder)
        assert right.score is not None
        yield judged(truths, None, right, right.score)
        catalogue = mistakes(truths)
        masks = {i: np.where(values > 127, 255, 0).astype(np.uint8) for i, values in predictions.items()}
        as_masks = _diagnose(truths, masks, ".png", folder) if truths.binary else right
        if truths.binary and not _same(masks, predictions):
            yield judged(truths, None, as_masks, as_masks.score or 0.0)
        for k in range(each):  # in turn, so that every mistake is made about as often
            mistake = catalogue[(number * each + k) % len(catalogue)]
            changed, suffix = mistake.change(predictions, random, truths)
            if _same(changed, predictions):
                continue
            deserved = (as_masks if mistake.masks else right).score
            assert deserved is not None
            yield judged(truths, mistake, _diagnose(truths, changed, suffix, folder), deserved)
    for _ in range(bad):
        for name, predictions in without_mistake(truths, random):
            found = _diagnose(truths, predictions, ".png", folder)
            yield judged(truths, None, found, found.score or 0.0, name)


def _same(changed: Mapping[str, Raw], predictions: Maps) -> bool:
    return all(np.array_equal(changed[i], values) for i, values in predictions.items())


def _diagnose(truths: Truths, maps: Mapping[str, Raw], suffix: str, folder: Path) -> Diagnosis:
    written = write(folder / "p", maps, suffix)
    request = DoctorRequest(truths.info.name, written, truths.split, truths.root)
    found = diagnose(request, Reporter(quiet=True))
    shutil.rmtree(written)
    return found


def judged(
    truths: Truths, mistake: Mistake | None, said: Diagnosis, deserved: float, name: str = "no mistake"
) -> Trial:
    """Whether the doctor was right."""
    advice = [finding for finding in said.findings if finding.kind not in NO_REMEDY]
    kinds = tuple(finding.kind for finding in advice)
    after = advice[-1].score_after if advice else said.score
    close = TOLERANCE if mistake is None or not mistake.lossy else TOLERANCE + 0.2 * deserved
    back = after is not None and abs(after - deserved) <= close
    if mistake is None:
        found, false = not advice, bool(advice)
    else:
        better = after is not None and after > deserved - close
        harmless = said.score is not None and abs(said.score - deserved) <= TOLERANCE
        found = better and (bool(mistake.kinds & set(kinds)) or (harmless and not advice))
        false = not set(kinds) <= mistake.kinds and not back
    name = name if mistake is None else mistake.name
    return Trial(truths.info.name, name, mistake is not None, deserved, said.score, after, kinds, found, false)
