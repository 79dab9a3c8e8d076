"""`bench show`: what a classical method sees in an image, step by step, as pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..figures.step_sheet import step_sheet
from ..io.atomic import replace_folder, temporary_folder
from ..io.documents import Document
from ..io.images.picture import read_picture
from ..io.reporter import Reporter
from ..methods import ClassicalMethod
from ..methods.classical.step_pictures import StepPicture, step_pictures
from ..registry import make_method, methods
from ..runs.stored import open_run
from ..runs.stored_requests import ShowRequest
from ..text import some
from ..types import UserError

DESCRIPTION = "show.json"
OVERVIEW = "steps.png"


class ShownStep(Document):
    """One step, and where its picture lies."""

    what: str
    picture: Path


class Shown(Document):
    """The pictures of a method's steps, and one of all together."""

    method: str
    settings: Mapping[str, Any]
    image: Path
    overview: Path
    steps: Sequence[ShownStep]


def show(request: ShowRequest, reporter: Reporter) -> Shown:
    """Write the steps of a method on one image, numbered in their order, and `steps.png` with all of them.

    Raises
    ------
    UserError
        For a method that is not classical or needs training, settings that it has not, an image that cannot be read,
        and a folder that holds anything else than such pictures.
    """
    method = _method(request)
    image = read_picture(request.image, upright=True)
    candidates = method.candidates(image.ndim == 3)
    if not candidates:
        raise UserError(f"method {method.info.name} has no candidate with these settings")
    params = candidates[0]
    out = request.out or Path(f"{request.image.stem}-{_plain(method.info.name)}")
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / DESCRIPTION).is_file())):
        raise UserError(f"'{out}' holds something else than pictures of bench show; choose another --out")
    with reporter.progress(f"looking with {method.info.name}"):
        pictures = list(step_pictures(method, image, params))
    return _written(out, method.info.name, params, request.image, pictures)


def _method(request: ShowRequest) -> ClassicalMethod:
    """The method with its settings, or of a run with what that chose, but for settings that are given."""
    folder = Path(request.method)
    if not folder.is_dir():
        return _classical(request.method, request.settings)
    record = open_run(folder).record
    method = _classical(record.method.name, record.method.config)
    chosen = {name: value for name, value in record.method.chosen.items() if name in method.space}
    if set(chosen) != set(method.space):
        raise UserError(f"{folder}: does not say what {record.method.name} chose. Name the method instead.")
    return _classical(record.method.name, {**record.method.config, **chosen, **request.settings})


def _classical(name: str, settings: Mapping[str, Any]) -> ClassicalMethod:
    method = make_method(name, settings)
    if isinstance(method, ClassicalMethod) and type(method).segment is not ClassicalMethod.segment:
        return method
    shown = [each for each, cls in methods().items() if _has_steps(cls)]
    raise UserError(f"bench show is for classical methods, found {name}. Expected one of {some(sorted(shown), 20)}.")


def _has_steps(cls: type[Any]) -> bool:
    return issubclass(cls, ClassicalMethod) and cls.segment is not ClassicalMethod.segment


def _written(out: Path, name: str, params: Mapping[str, Any], image: Path, pictures: Sequence[StepPicture]) -> Shown:
    """The folder, put in its place in one step."""
    from PIL import Image

    names = [f"{place:02d}-{_short(each.what)}.png" for place, each in enumerate(pictures)]
    followed = out.resolve()  # of a link, what it leads to is replaced
    with temporary_folder(followed) as made:
        new = made / "pictures"
        new.mkdir()
        for file, each in zip(names, pictures, strict=True):
            Image.fromarray(each.picture).save(new / file)
        step_sheet(new / OVERVIEW, f"{name} on {image.name}", [(each.what, each.picture) for each in pictures])
        steps = [ShownStep(what=each.what, picture=out / file) for file, each in zip(names, pictures, strict=True)]
        shown = Shown(method=name, settings=dict(params), image=image, overview=out / OVERVIEW, steps=steps)
        (new / DESCRIPTION).write_text(json.dumps(shown.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
        replace_folder(new, followed)
    return shown


def _short(what: str) -> str:
    """The words before parameters and numbers, for a file name."""
    return _plain(what.partition(" (")[0].partition(":")[0])


def _plain(words: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", words.lower()).strip("-")
