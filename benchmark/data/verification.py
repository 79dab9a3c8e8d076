"""Is a dataset on disk whole and sound? What `bench data verify` finds: faults, warnings, and fingerprints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..io.fingerprints import ids_sha256
from ..registry import metrics_of
from ..text import counted
from ..types import Dataset, Part, UserError, parts_of
from .cut_films import cut_films
from .file_layout import FileLayout
from .index import DataIndex, Progress
from .locations import Origin
from .sample_checks import where, without_images
from .splits import too_few
from .swapped_masks import swapped_masks
from .verification_cache import PARTS, Content
from .what_is_left import Left, left_to_learn, left_to_score


@dataclass(frozen=True)
class SplitFound:
    """Number of samples of a split and hashes of their ids and truth; None where it is not there or cannot be used."""

    n: int | None
    official: int | None
    ids_sha256: str | None
    data_sha256: str | None


@dataclass
class Report:
    """What was found. `read` samples were decoded; `cached` ones are unchanged since they were found sound."""

    n: int = 0
    ids_sha256: str | None = None
    data_sha256: str | None = None
    splits: dict[str, SplitFound] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cached: int = 0
    read: int = 0


def verify_dataset(index: DataIndex, origin: Origin, progress: Progress | None = None) -> Report:
    """Check names, pairs, numbers and the content of every sample, and look for leaks between splits.

    Parameters
    ----------
    index : DataIndex
        Of the dataset. Samples that it knows to be sound, and files whose hash it knows, are not read again.
    origin : {'real', 'synthetic'}
        Synthetic data is smaller than the official set on purpose: its numbers are not checked.
    progress : callable, optional
        Called with (done, in all) samples.
    """
    report, dataset = Report(), index.dataset
    report.faults += dataset.check_counts() if origin == "real" else []
    report.faults += dataset.check_pairs()
    splits = {name: _ids(dataset, name, report) for name in dataset.info.splits}
    everything = _ids(dataset, "all", report)
    known = dict.fromkeys(dataset.readable())
    known |= dict.fromkeys(i for name, ids in splits.items() if dataset.info.splits[name].labelled for i in ids or ())
    blind = dict.fromkeys(i for ids in splits.values() for i in ids or () if i not in known)
    contents: dict[str, Content] = {}
    for ids, parts in ((tuple(known), PARTS), (tuple(blind), ("image",))):
        contents |= _check(index, ids, parts, report, progress, len(known) + len(blind))
    report.n = len(everything) if everything is not None else len(known)
    numbered = any(split.official_size for split in dataset.info.splits.values())
    as_published = origin == "real" and numbered and not report.faults
    _leaks(dataset, splits, contents, report, as_published=as_published)
    _remarks(dataset, splits, everything, known, report)
    _orientations(dataset, contents, report)
    if dataset.self_defined:  # what is published was drawn on its images
        sound = [i for i, content in contents.items() if content.image is not None and content.labels is not None]
        report.warnings += swapped_masks(dataset, sound)
    _what_is_left(index, splits, everything or tuple(known), report, a_part=numbered and not as_published)
    _fingerprints(index, splits, everything, report)
    report.faults = list(dict.fromkeys(report.faults))
    return report


def _ids(dataset: Dataset, split: str, report: Report) -> tuple[str, ...] | None:
    """Samples of a split; None, with a fault for a labelled split, where it cannot be used."""
    try:
        return dataset.ids(split)
    except UserError as error:
        text = str(error)
        # A refusal repeats the first of the faults that are there already.
        known = any(text.startswith(fault) for fault in report.faults)
        if split in ("all", *_needed(dataset)) and not known:
            report.faults.append(text)
        return None


def _needed(dataset: Dataset) -> tuple[str, ...]:
    """Splits that every copy has, or every one of the chosen release."""
    if isinstance(dataset, FileLayout):
        return dataset.labelled_splits()
    return tuple(name for name, split in dataset.info.splits.items() if split.labelled and not split.optional)


def _check(
    index: DataIndex, ids: Sequence[str], parts: Sequence[Part], report: Report, progress: Progress | None, total: int
) -> dict[str, Content]:
    """Check these samples and return the content of those that can be decoded."""
    contents: dict[str, Content] = {}
    for finding in index.check(ids, parts):
        report.faults += finding.faults
        report.cached += finding.cached
        report.read += not finding.cached
        if finding.content is not None:
            contents[finding.sample_id] = finding.content
        if progress is not None:
            progress(report.cached + report.read, total)
    return contents


def _leaks(
    dataset: Dataset,
    splits: Mapping[str, tuple[str, ...] | None],
    contents: Mapping[str, Content],
    report: Report,
    *,
    as_published: bool,
) -> None:
    """Name samples, images and label maps that are in two splits, which leaks truth from one to the other."""
    images: dict[str, tuple[str, str]] = {}
    labels: dict[str, tuple[str, str]] = {}
    owner: dict[str, str] = {}
    again: dict[str, list[tuple[str, str]]] = {}
    for split, ids in splits.items():
        held = {i for name in dataset.info.splits[split].holds for i in splits[name] or ()}
        for sample_id in (i for i in ids or () if i not in held):
            if owner.setdefault(sample_id, split) != split:
                report.faults.append(
                    f"sample '{sample_id}' is in split '{owner[sample_id]}' and in split '{split}'; a sample belongs "
                    "to one of them. Fetch the lists again."
                )
                continue
            content = contents.get(sample_id, Content(None, None))
            found = _twin(images, content.image, split, sample_id)
            if found:
                text = _same(dataset, "image", found, (split, sample_id))
                # A complete set of the official size was published so; that is worth knowing, but no damage.
                (report.warnings if as_published else report.faults).append(text)
            elif content.image is not None and (first := images[content.image][1]) != sample_id:
                again.setdefault(split, []).append((first, sample_id))
            found = None if found else _twin(labels, content.labels, split, sample_id)
            if found:
                report.warnings.append(_same(dataset, "labels", found, (split, sample_id)))
    if dataset.self_defined:  # of others it is known how they were published
        report.warnings += [_repeated(split, pairs, contents) for split, pairs in again.items()]


def _repeated(split: str, pairs: Sequence[tuple[str, str]], contents: Mapping[str, Content]) -> str:
    """Images that are in one split several times: (the first sample, a later one)."""
    first, later = pairs[0]
    text = (
        f"split '{split}': {counted(len(pairs), 'sample')} with the image of another one (first: '{later}' has that of "
        f"'{first}'), which counts several times"
    )
    odd = [pair for pair in pairs if contents[pair[0]].labels != contents[pair[1]].labels]
    if odd:
        text += f"; '{odd[0][0]}' and '{odd[0][1]}' have different labels, of which at most one can be right"
    return text + ". Keep one of them."


def _twin(seen: dict[str, tuple[str, str]], digest: str | None, split: str, sample_id: str) -> tuple[str, str] | None:
    """The first sample of another split with the same pixels."""
    if digest is None:
        return None
    other = seen.setdefault(digest, (split, sample_id))
    return other if other[0] != split else None


def _same(dataset: Dataset, part: Part, first: tuple[str, str], second: tuple[str, str]) -> str:
    (split, sample_id), (other_split, other_id) = first, second
    what = "image" if part == "image" else "label map"
    return (
        f"sample '{sample_id}' of split '{split}' ({where(dataset, sample_id, part)}) and sample '{other_id}' of split "
        f"'{other_split}' ({where(dataset, other_id, part)}) have the same {what}: what is learned from the one is "
        "scored on the other. Keep one of them."
    )


def _remarks(
    dataset: Dataset,
    splits: Mapping[str, tuple[str, ...] | None],
    everything: tuple[str, ...] | None,
    known: Iterable[str],
    report: Report,
) -> None:
    known = tuple(known)
    if known and not any(dataset.files(sample_id, "image") for sample_id in known):
        report.warnings.append(f"{without_images(dataset, known)}: only the truth was checked")
    infos = dataset.info.splits
    scored = splits.get(dataset.info.default_split)
    if scored is not None and not infos[dataset.info.default_split].official_size:
        report.warnings += filter(None, [too_few(dataset.info.default_split, len(scored))])
    if scored is not None and (train := splits.get("train")):
        held_out = {*(splits.get("val") or ()), *scored} - {*train}
        report.warnings += filter(None, [cut_films(dataset, train, sorted(held_out))])
    labelled = [ids for name, ids in splits.items() if infos[name].labelled and not infos[name].optional]
    if everything is None or any(ids is None for ids in labelled):
        return
    placed = {sample_id for ids in splits.values() for sample_id in ids or ()}
    left = [sample_id for sample_id in everything if sample_id not in placed]
    if left:
        which = counted(len(left), "labelled sample")
        report.warnings.append(f"{which} in no split (first: '{left[0]}')")


def _orientations(dataset: Dataset, contents: Mapping[str, Content], report: Report) -> None:
    """Say where files state an orientation, and what is made of it."""
    turned = {sample_id: content.turned for sample_id, content in contents.items() if content.turned}
    if not turned:
        return
    sample_id, (part, number) = next((i, text.split()) for i, text in turned.items())
    which = f"{counted(len(turned), 'sample')} with an orientation tag, first '{sample_id}'"
    made = (
        "such files are turned as viewers show them, so masks must fit what is shown"
        if dataset.info.upright
        else "an official layout is read as it is stored, which viewers show turned"
    )
    first = where(dataset, sample_id, "labels" if part == "labels" else "instances" if part == "instances" else "image")
    report.warnings.append(f"{which} ({first}: its {part} states orientation {number} of 8): {made}")


def _what_is_left(
    index: DataIndex,
    splits: Mapping[str, tuple[str, ...] | None],
    everything: tuple[str, ...],
    report: Report,
    *,
    a_part: bool,
) -> None:
    """What `run` and `evaluate` refuse is a fault: of all samples, of the split that is scored, and of the training.

    `a_part` of an official set lacks classes as it lacks samples; that is not told once more.
    """
    info = index.dataset.info

    def held(ids: Iterable[str]) -> list[dict[int, int]]:
        return list(index.label_counts(ids).values())

    found = left_to_score(info, f"what lies below '{index.dataset.root}'", held(everything))
    report.faults += filter(None, [found.refusal])
    report.warnings += found.warnings
    if found != Left():
        return
    for name, ids in splits.items():
        found = left_to_score(info, f"split '{name}'", held(ids or ()))
        (report.faults if name == info.default_split else report.warnings).extend(filter(None, [found.refusal]))
        report.warnings += found.warnings
    train, scored = (held(splits.get(name) or ()) for name in ("train", info.default_split))
    found = left_to_learn(info, "split 'train'", train, scored)
    report.faults += filter(None, [found.refusal])
    report.warnings += () if a_part else found.warnings


def _fingerprints(
    index: DataIndex,
    splits: Mapping[str, tuple[str, ...] | None],
    everything: tuple[str, ...] | None,
    report: Report,
) -> None:
    """Hashes of ids and of truth, which are those of the records of runs on the same samples."""
    info = index.dataset.info
    parts = parts_of(metrics_of(info))

    def of(ids: tuple[str, ...] | None, labelled: bool) -> tuple[str | None, str | None]:
        if ids is None:
            return None, None
        try:
            return ids_sha256(ids), index.data_sha256(ids, parts) if labelled else None
        except OSError as error:
            report.faults.append(f"{error.filename}: cannot be read ({error.strerror})")
            return ids_sha256(ids), None

    report.ids_sha256, report.data_sha256 = of(everything, labelled=True)
    for name, ids in splits.items():
        split = info.splits[name]
        part = info.part_of(name, dict(getattr(index.dataset, "settings", ())))
        official = split.official_size if part is None else part.size
        report.splits[name] = SplitFound(None if ids is None else len(ids), official, *of(ids, split.labelled))
