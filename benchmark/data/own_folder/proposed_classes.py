"""A proposal of `classes.yaml` for a folder that has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..self_defined import Proposal
from .classes_file import FILE, parse_text
from .grouping import guessed_group
from .layout import Layout, Places
from .missing_masks import no_masks
from .names import group_of, guess, none_paired, own_name, scan
from .proposal import propose_places


def proposed_classes(root: Path, progress: Callable[[int, int], None] | None = None) -> Proposal:
    """Guess `classes.yaml` from the masks below a root.

    Raises
    ------
    UserError
        Where there are no masks, or none that can be read.
    """
    from .inspection import inspect

    images, masks, _ = scan(root)
    places = propose_places(root)
    if places is not None and places.layout.images and _elsewhere(places, masks):
        return _proposal(root, inspect(own_name(root), places.masks, progress, None, places, places.group), ())
    if not masks:
        raise no_masks(root, None)
    naming = guess(root, len(images.keys() & masks.keys()))
    if naming is not None:
        images, masks, _ = scan(root, naming.names)
    group = None if any(group_of(path, root) for path in images.values()) else guessed_group(_stems(images))
    text = inspect(own_name(root), list(masks.values()), progress, naming, _regions_alone(places), group)
    return _proposal(root, text, none_paired(images, masks, root))


def _proposal(root: Path, text: str, hints: Sequence[str]) -> Proposal:
    path = root / FILE
    return Proposal(path, text, parse_text(text, str(path), own_name(root)).definition(), tuple(hints))


def _elsewhere(places: Places, masks: Mapping[str, Path]) -> bool:
    """Whether the truth seems to lie elsewhere than in masks/: there is none there, or it says less."""
    return not masks or not set(places.masks) & set(masks.values())


def _stems(images: Mapping[str, Path]) -> list[str]:
    return [path.name.partition(".")[0] for path in images.values()]


def _regions_alone(places: Places | None) -> Places | None:
    """What the usual layout needs of a guess: where regions lie, by names of images that masks have too."""
    region = places.layout.region.get("", "") if places is not None else ""
    if places is None or "{name}" in region or not region:
        return None
    return replace(places, layout=Layout(region={"": region}), others=(), group=None)
