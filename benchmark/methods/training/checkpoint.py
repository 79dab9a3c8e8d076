"""The state of a training run as one file of tensors and JSON, replaced whole: a kill leaves the old or the new one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ...errors import UserError
from ...io.atomic import atomic_path
from ...io.text_files import parse_json

FILE = "checkpoint.safetensors"
FORMAT = 1
Tensors = dict[str, torch.Tensor]
Header = TypeVar("Header", bound=BaseModel)


class SavedNetwork(BaseModel):
    """What the header of a trained network's file says: its method, that one's configuration, and output channels."""

    method: str
    config: dict[str, Any]
    outputs: int


class CheckpointHeader(BaseModel):
    """What the header of a checkpoint says; see `Checkpoint`."""

    format: int
    identity: dict[str, Any]
    epoch: int
    groups: list[str]
    numbers: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """What training resumes from after `epoch` whole epochs.

    identity: what must be equal to resume (configuration, seed, data). tensors: groups of named tensors (model,
    optimizer, ema, best). numbers: plain JSON values beside them.
    """

    identity: Mapping[str, Any]
    epoch: int
    tensors: Mapping[str, Tensors]
    numbers: Mapping[str, Any]


def save_tensors(path: Path, tensors: Tensors, document: Mapping[str, Any]) -> None:
    """Write named tensors of any shape and a JSON document as one safetensors file that is never seen half written."""
    flat = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    try:
        with atomic_path(path) as part:
            save_file(flat, part, metadata={"segbench": json.dumps(document, sort_keys=True)})
            with part.open("rb+") as file:
                os.fsync(file.fileno())
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path}: cannot be written ({error}). Free some space, then go on with --resume: what was there is whole."
        ) from error


def load_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read what `save_tensors` wrote. Raises UserError for a file that is not whole, or of another program."""
    try:
        with safe_open(path, framework="pt") as file:
            document = parse_json((file.metadata() or {})["segbench"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise _foreign(path, f"{type(error).__name__}: {error}") from None
    if not isinstance(document, dict):
        raise _foreign(path, "its header is no JSON object")
    return tensors, document


def checked(kind: type[Header], document: Mapping[str, Any], path: Path) -> Header:
    """The header of a file as a model of this kind. Raises UserError naming the file and what is missing or wrong."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        told = [f"'{'.'.join(map(str, each['loc']))}' {_said(each)}" for each in error.errors()]
        raise _foreign(path, f"in its header {', '.join(told)}") from None


def _said(problem: Any) -> str:
    return "is missing" if problem["type"] == "missing" else f"is wrong: {problem['msg']}"


def _foreign(path: Path, reason: str) -> UserError:
    return UserError(f"'{path}' is damaged, or no file of this program's ({reason}).")


def read_document(path: Path) -> dict[str, Any]:
    """The document alone; empty for a file that has none."""
    try:
        with safe_open(path, framework="pt") as file:
            document = parse_json((file.metadata() or {}).get("segbench", "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the folder's checkpoint."""
    flat = {f"{group}/{name}": t for group, tensors in checkpoint.tensors.items() for name, t in tensors.items()}
    document = {
        "format": FORMAT,
        "identity": checkpoint.identity,
        "epoch": checkpoint.epoch,
        "groups": sorted(checkpoint.tensors),
        "numbers": checkpoint.numbers,
    }
    save_tensors(folder / FILE, flat, document)


def load_checkpoint(folder: Path, identity: Mapping[str, Any]) -> Checkpoint | None:
    """The folder's checkpoint, None where there is none.

    Raises UserError for a damaged one, and for one that was made with another identity.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        header, tensors = _read_checkpoint(path)
    except UserError as error:
        raise UserError(f"{error} Delete it to start again.") from error
    _check_identity(path, header.identity, json.loads(json.dumps(identity)))
    return Checkpoint(identity, header.epoch, tensors, header.numbers)


def _read_checkpoint(path: Path) -> tuple[CheckpointHeader, dict[str, Tensors]]:
    flat, document = load_tensors(path)
    if document.get("format") != FORMAT:
        raise UserError(f"'{path}' has format {document.get('format')}, expected {FORMAT}.")
    header = checked(CheckpointHeader, document, path)
    tensors: dict[str, Tensors] = {group: {} for group in header.groups}
    for key, tensor in flat.items():
        group, _, name = key.partition("/")
        if group not in tensors:
            raise _foreign(path, f"its tensor '{key}' belongs to no group")
        tensors[group][name] = tensor
    return header, tensors


def discard_checkpoint(folder: Path) -> None:
    """Remove what an earlier run left, so that a later resume cannot pick up its state."""
    for path in folder.glob(FILE + "*"):
        path.unlink()


def _check_identity(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    differences = [
        f"{key} is {wanted.get(key)!r} now and was {found.get(key)!r}"
        for key in sorted(set(found) | set(wanted))
        if found.get(key) != wanted.get(key)
    ]
    if differences:
        raise UserError(
            f"cannot resume from '{path}': "
            + "; ".join(differences)
            + ". Give the same settings, or run without --resume."
        )
