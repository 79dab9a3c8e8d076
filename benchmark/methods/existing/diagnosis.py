"""`bench doctor -m`: what is wrong in a model's inputs or outputs, found on some images and confirmed on others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...data.splits import MIN_SAMPLES
from ...diagnosis.document import Finding, ModelDiagnosis
from ...evaluation.evaluate import evaluate
from ...io.reporter import Reporter
from ...registry import make_method, metrics_of
from ...types import Array, Dataset, Prediction, Uint8, UserError
from .card import ModelCard
from .method import ExistingMethod
from .outputs import prediction
from .variants import ASPECTS, ModelOnImages, fields_of, input_variants

MAX_IMAGES = 12
"""Number of images, evenly spread, that a model is looked at on: the even ones find a card, the odd ones judge it."""
SCREENED = 3
"""Number of images on which every way to give an image is tried."""
SHORTLISTED = 3
"""Number of ways, the best of those, that are tried on all images that a card is found on."""
MIN_GAIN = 0.02
"""Gain in the main score, on images that it was not found on, below which nothing is advised."""
MIN_AGREEMENT = 0.4
"""Cohen's kappa of predictions with a card and the truth below which the card is not advised: it may be chance."""

_SUMMARIES = {
    "channels": "the model is given its colours in another order than it was trained on",
    "scaling": "the model is given pixels in another range than it was trained on",
    "outputs": "the model's outputs are probabilities already",
    "classes": "the model's outputs are other classes than they are taken for",
}


@dataclass(frozen=True)
class ModelFindings:
    """What is wrong, the card with all remedies, and the score of the odd images as it is, NaN without one."""

    findings: list[Finding]
    card: ModelCard
    score: float
    judged: int


def diagnose_model(name: str, dataset: Dataset, split: str, device: str, reporter: Reporter) -> ModelDiagnosis:
    """Look at a model on a few labelled images of a split.

    Raises
    ------
    UserError
        For a method that is no such model, one that cannot be loaded, or a split with hardly any image.
    """
    method = make_method(name)
    if not isinstance(method, ExistingMethod) or not method.adjustable:
        raise UserError(
            f"'bench doctor -m' looks at models that exist (torch:, onnx:, hf:), not at {name.partition(':')[0]}. "
            "Of others it looks at predictions: run with --save-predictions, then bench doctor --predictions."
        )
    ids = _few_ids(dataset, split)
    card = method.look(dataset.info, device)
    images, truths = _labelled(dataset, split, ids)
    (metric,) = (m for m in metrics_of(dataset.info) if dataset.info.main_score in {s.name for s in m.scores})

    def score(predictions: Sequence[Prediction], places: Sequence[int]) -> float:
        pairs = zip((ids[place] for place in places), predictions, strict=True)
        statistics = evaluate(dataset, (metric,), pairs, workers=0)
        return float(metric.compute(statistics.of(metric.name), dataset.info)[dataset.info.main_score])

    looked = ModelOnImages(
        lambda image, given: method.outputs_of([image], given)[0],
        images,
        truths,
        dataset.info,
        method.info.name,
        score,
    )
    reporter.say(f"looking at {method.info.name} on {len(ids)} images: half to find a card, half to judge it")
    if len(ids) < 2 * MIN_SAMPLES:
        reporter.warn(f"{len(ids)} images are few: what is found may not hold for others")
    found = find_card(looked, card, method.adjustable)
    unknown = math.isnan(found.score)
    return ModelDiagnosis(
        dataset=dataset.info.name,
        split=split,
        n_samples=len(ids),
        n_files=1,
        n_scored=found.judged,
        score_name=dataset.info.main_score,
        score=None if unknown else found.score,
        reason=_why_not(method, looked, card) if unknown else None,
        findings=found.findings,
        method=method.info.name,
        card=found.card.to_yaml() if found.findings else None,
    )


def _few_ids(dataset: Dataset, split: str) -> tuple[str, ...]:
    """At most `MAX_IMAGES` samples, evenly over the split; raises UserError for a split with fewer than two."""
    ids = dataset.ids(split)
    ids = ids[:: max(1, -(-len(ids) // MAX_IMAGES))]
    if len(ids) < 2:
        raise UserError(f"split '{split}' has {len(ids)} sample: a card is found on some images and judged on others")
    return ids


def _labelled(dataset: Dataset, split: str, ids: Sequence[str]) -> tuple[list[Uint8], list[Array]]:
    """Images and true labels; raises UserError where a sample lacks either."""
    samples = [dataset.load(sample_id, ("image", "labels")) for sample_id in ids]
    images = [sample.image for sample in samples if sample.image is not None]
    truths = [sample.labels for sample in samples if sample.labels is not None]
    if len(images) < len(ids) or len(truths) < len(ids):
        raise UserError(f"split '{split}' has samples without image or labels: run 'bench data verify'")
    return images, truths


def _why_not(method: ExistingMethod, looked: ModelOnImages, card: ModelCard) -> str:
    """Why a model cannot be scored with its card."""
    try:
        prediction(looked.outputs(card, 0), card, looked.dataset, method.info.name)
    except UserError as error:
        return str(error).partition(". Write a model card")[0]
    return f"{looked.dataset.main_score} is undefined"


def find_card(looked: ModelOnImages, card: ModelCard, aspects: Sequence[str] = ASPECTS) -> ModelFindings:
    """The card under which a model agrees with the truth, where that is another one and clearly better.

    Parameters
    ----------
    looked : the model on images with their truth, at least two.
    card : what it is run with now.
    aspects : what may be changed: an image processor or a program of its own decides some by itself.
    """
    every = range(len(looked.images))
    choosing, judging = every[::2], every[1::2] or every[::2]
    variants = _shortlist(looked, list(input_variants(card, aspects)), aspects, choosing[:SCREENED])
    candidates = [form for variant in variants for form in _forms(looked, variant, aspects, choosing)]
    best = max(candidates, key=lambda each: _known(looked.score_of(each, choosing)))
    looked.keep_only([card, best])
    best = _without_needless(looked, card, best, judging)
    before = looked.score_of(card, judging)
    if best == card or not _is_advised(looked, card, best, judging):
        return ModelFindings([], card, before, len(judging))
    return ModelFindings(_told(looked, card, best, judging), best, before, len(judging))


def _shortlist(
    looked: ModelOnImages, variants: Sequence[ModelCard], aspects: Sequence[str], places: Sequence[int]
) -> list[ModelCard]:
    """The best input variants on a few images, the card itself, which is the first, always among them."""

    def best(variant: ModelCard) -> float:
        return max(_known(looked.score_of(form, places)) for form in _forms(looked, variant, aspects, places))

    kept: list[tuple[float, ModelCard]] = []
    for variant in variants[1:]:
        kept = sorted([*kept, (best(variant), variant)], key=lambda each: -each[0])[:SHORTLISTED]
        looked.keep_only([variants[0], *(each for _, each in kept)])
    return [variants[0], *(each for _, each in kept)]


def _forms(looked: ModelOnImages, variant: ModelCard, aspects: Sequence[str], places: Sequence[int]) -> list[ModelCard]:
    """An input variant with the outputs as they are taken, and as what they mostly are."""
    forms, found = [variant], []
    if "outputs" in aspects and looked.are_probabilities(variant, places):
        forms.append(variant.model_copy(update={"outputs": "probabilities"}))
    for form in forms:
        found.append(form)
        if "classes" in aspects and (classes := looked.fitted_classes(form, places)) is not None:
            found.append(form.model_copy(update={"classes": _named(looked, classes)}))
    return found


def _named(looked: ModelOnImages, classes: dict[int, int]) -> dict[int, str]:
    names = {each.id: each.name for each in looked.dataset.classes}
    return {index: names[label] for index, label in sorted(classes.items())}


def _without_needless(looked: ModelOnImages, card: ModelCard, best: ModelCard, places: Sequence[int]) -> ModelCard:
    """Without the changes that gain nothing on images that they were not found on."""
    for aspect in ASPECTS:
        without = best.model_copy(update=fields_of(card, aspect))
        lost = _known(looked.score_of(best, places)) - _known(looked.score_of(without, places))
        best = without if lost < MIN_GAIN else best
    return best


def _is_advised(looked: ModelOnImages, card: ModelCard, best: ModelCard, places: Sequence[int]) -> bool:
    gain = _known(looked.score_of(best, places)) - max(_known(looked.score_of(card, places)), 0.0)
    return gain >= MIN_GAIN and looked.agreement(best, places) >= MIN_AGREEMENT


def _told(looked: ModelOnImages, card: ModelCard, best: ModelCard, places: Sequence[int]) -> list[Finding]:
    """A finding for each aspect that differs, each on top of those before it."""
    now, found = card, []
    for aspect in ASPECTS:
        after = now.model_copy(update=fields_of(best, aspect))
        if after == now:
            continue
        scores = [looked.score_of(each, places) for each in (now, after)]
        was, is_ = (_shown(each, aspect) for each in (now, after))
        left_out = "outputs that are of no clear class here are left out" if aspect == "classes" else ""
        found.append(
            Finding(
                kind=f"model_{aspect}",
                summary=_SUMMARIES[aspect],
                evidence=[
                    f"as it is: {was}",
                    f"on {len(places)} images that it was not found on, Cohen's kappa with the truth is "
                    f"{looked.agreement(now, places):.3f} as it is and {looked.agreement(after, places):.3f} after",
                    *filter(None, [left_out]),
                ],
                remedy=f"Write into the model card: {is_}",
                score_before=_or_none(scores[0]),
                score_after=_or_none(scores[1]),
                estimate=True,
                n_samples=len(places),
            )
        )
        now = after
    return found


def _shown(card: ModelCard, aspect: str) -> str:
    fields = fields_of(card, aspect)
    if aspect == "classes":
        classes = fields["classes"]
        return "classes in the dataset's order" if classes is None else f"classes: {{{_listed(classes)}}}"
    return ", ".join(f"{name}: {value}" for name, value in fields.items())


def _listed(classes: dict[int, int | str]) -> str:
    return ", ".join(f"{index}: {name}" for index, name in sorted(classes.items()))


def _known(score: float) -> float:
    return -1.0 if math.isnan(score) else score


def _or_none(score: float) -> float | None:
    return None if math.isnan(score) else score
