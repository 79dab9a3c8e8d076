"""Transfer learning: a training that begins with the weights of another, with its encoder frozen or slowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import UserError
from ...text import counted, some
from ..existing.files import check_model_size
from .class_rows import ClassRows
from .config import WEIGHT_FILES, TrainingConfig

Tensors = dict[str, torch.Tensor]

ENCODERS = ("encoder", "backbone", "base_net", "down", "stages")
"""What the part of a network is called that sees the image first, in the order in which it is looked for."""
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "network", "weights", "params")
"""Keys under which files of weights hold the state dict beside other things."""
MAX_PREFIX_PARTS = 3
MIN_PREFIX_SHARE = 0.1
"""Of the tensors, how many have to share a prefix for it to be tried as one that stands for a part of a network."""
_MODEL = "model.safetensors"


@dataclass(frozen=True)
class Matched:
    """What of a file of weights a network takes: names in the network by names in the file.

    `other_shape` are those of both that differ in shape, in the same way, `missing` those of the network that the file
    lacks, `unused` those of the file that the network lacks.
    """

    taken: Mapping[str, str]
    other_shape: Mapping[str, str]
    missing: Sequence[str]
    unused: Sequence[str]


def weights_at(place: Path) -> Path:
    """The file of weights that `--init` names: a file, or that of a run's network.

    Raises UserError where there is none.
    """
    if place.is_file():
        if place.suffix.lower() not in WEIGHT_FILES:
            raise UserError(f"--init {place}: expected a run, or a file of weights ({', '.join(WEIGHT_FILES)})")
        check_model_size(place, place.stat().st_size)
        return place
    found = [place / "checkpoint" / _MODEL, place / "checkpoint" / "fold-0" / _MODEL, place / _MODEL]
    inside = next((path for path in found if path.is_file()), None)
    if inside is None:
        what = "it holds no network of a finished run" if place.is_dir() else "there is no such run or file"
        raise UserError(f"--init {place}: {what}; expected a run, or a file of weights ({', '.join(WEIGHT_FILES)})")
    return inside


def read_weights(path: Path) -> Tensors:
    """The tensors of a file by name: safetensors, or a state dict that holds tensors alone (`weights_only`).

    Raises UserError for anything else; no code in the file is run.
    """
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"{path}: holds no weights that can be read without running code ({reason}). Save the state dict alone: "
            "torch.save(network.state_dict(), 'weights.pth'), or as safetensors."
        ) from None
    for _ in range(2):
        held = content if isinstance(content, Mapping) else {}
        content = next((held[key] for key in WRAPPERS if isinstance(held.get(key), Mapping)), content)
    found = content if isinstance(content, Mapping) else {}
    tensors = {str(name): value for name, value in found.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise UserError(f"{path}: holds no state dict (tensors by name). Save one: torch.save(network.state_dict(), …)")
    return tensors


def match(tensors: Tensors, network: nn.Module) -> Matched:
    """Which tensors of a file belong to which of a network: of the same name and shape below the prefixes that fit.

    A file may hold a part of the network alone (an encoder), or call it otherwise (`module.`, `base_net.`).
    """
    mine = network.state_dict()
    _, theirs, ours = max(
        (_worth(tensors, mine, theirs, ours), theirs, ours) for theirs in _prefixes(tensors) for ours in _prefixes(mine)
    )
    named = {ours + name.removeprefix(theirs): name for name in tensors if name.startswith(theirs)}
    both = {name: named[name] for name in mine if name in named}
    taken = {name: source for name, source in both.items() if tensors[source].shape == mine[name].shape}
    return Matched(
        taken,
        {name: source for name, source in both.items() if name not in taken},
        [name for name in mine if name not in both],
        [name for name in tensors if name not in both.values()],
    )


def begin_from(network: nn.Module, tensors: Tensors, where: str, rows: ClassRows | None = None) -> str:
    """Give a network the weights of another where name and shape match, and say what did and what did not.

    Parameters
    ----------
    network : is changed in place.
    tensors : the state dict of the other.
    where : what was asked for, in messages.
    rows : how the last layer is filled from that of the other; None takes it where its shape is the same.

    Raises UserError where no weight of the network matches, or no last layer can be filled.
    """
    found, mine = match(tensors, network), network.state_dict()
    carried = {} if rows is None else rows.carried({**found.taken, **found.other_shape}, tensors, mine)
    learned = {name for name, _ in network.named_parameters()}
    if not learned & {*found.taken, *carried}:
        other = _compared(found.other_shape, tensors, mine)
        raise UserError(
            f"{where}: none of its {counted(len(tensors), 'tensor')} has the name and shape of a weight of this "
            f"network. It has {_examples(tensors)}; the network has {_examples(mine)}. "
            + (f"Of another shape: {some(other, 3)}. " if other else "")
            + "Is it of this architecture, with the same settings?"
        )
    mapped = {} if rows is None else rows.axes
    taken = {**{name: tensors[source] for name, source in found.taken.items() if name not in mapped}, **carried}
    with torch.no_grad():
        for name, tensor in taken.items():
            mine[name].copy_(tensor)
    left = {name: source for name, source in found.other_shape.items() if name not in carried}
    told = _told(where, taken, _compared(left, tensors, mine), found, mine)
    return told + (f"; last layer through the class map ({some(list(carried), 4)}): {rows.told()}" if rows else "")


def encoder_of(network: nn.Module) -> nn.Module:
    """The part of a network that sees the image first. Raises UserError for a network that has none by name."""
    parts = dict(network.named_modules())
    for wanted in ENCODERS:
        named = [name for name in parts if name.rpartition(".")[2] == wanted and [*parts[name].parameters()]]
        if named:
            part: nn.Module = parts[min(named, key=lambda name: (name.count("."), name))]
            return part
    raise UserError(f"this network has no part called {' or '.join(ENCODERS)}: it can neither be frozen nor slowed")


def freeze(network: nn.Module, config: TrainingConfig) -> None:
    """Take the weights of the part that `config.freeze` names out of training."""
    if config.freeze == "encoder":
        encoder_of(network).requires_grad_(False)


def hold_frozen(network: nn.Module) -> None:
    """Put parts of a network in training mode whose weights are all frozen back: their statistics stay as they are."""
    for module in network.modules():
        weights = list(module.parameters())
        if weights and not any(each.requires_grad for each in weights):
            module.eval()


def parameter_groups(network: nn.Module, config: TrainingConfig) -> list[Any]:
    """The weights that are learned, for an optimizer; the encoder's in a group with a `factor` where it is not 1."""
    learned = [each for each in network.parameters() if each.requires_grad]
    factor = config.encoder_learning_rate_factor
    if factor == 1:
        return learned
    inside = {id(each) for each in encoder_of(network).parameters()}
    slow = [each for each in learned if id(each) in inside]
    rest = [each for each in learned if id(each) not in inside]
    return [{"params": part, "factor": value} for part, value in ((slow, factor), (rest, 1.0)) if part]


def _prefixes(names: Mapping[str, torch.Tensor]) -> list[str]:
    """Prefixes that enough names share, the empty one among them."""
    counts: dict[str, int] = {"": len(names)}
    for name in names:
        parts = name.split(".")[:-1]
        for end in range(1, min(len(parts), MAX_PREFIX_PARTS) + 1):
            prefix = ".".join(parts[:end]) + "."
            counts[prefix] = counts.get(prefix, 0) + 1
    return [prefix for prefix, count in counts.items() if count >= MIN_PREFIX_SHARE * len(names)]


def _worth(tensors: Tensors, mine: Tensors, theirs: str, ours: str) -> tuple[int, int]:
    """How many values match with these prefixes; of equal ones the shortest prefixes are the best."""
    values = 0
    for name, tensor in tensors.items():
        if name.startswith(theirs):
            other = mine.get(ours + name.removeprefix(theirs))
            values += tensor.numel() if other is not None and other.shape == tensor.shape else 0
    return values, -len(theirs) - len(ours)


def _compared(names: Mapping[str, str], tensors: Tensors, mine: Tensors) -> list[str]:
    return [f"{name} {_shape(mine[name])} here, {_shape(tensors[source])} there" for name, source in names.items()]


def _told(where: str, taken: Tensors, other_shape: Sequence[str], found: Matched, mine: Tensors) -> str:
    values, whole = (sum(mine[name].numel() for name in names) for names in (taken, mine))
    text = (
        f"{where}: took {len(taken)} of the network's {counted(len(mine), 'tensor')} "
        f"({100 * values / whole:.1f} % of its values)"
    )
    for what, names in (
        ("of another shape, left as they are", other_shape),
        ("not in the file, left as they are", found.missing),
        ("in the file, and not in the network", found.unused),
    ):
        if names:
            text += f"; {what}: {some(names, 4)}"
    return text


def _examples(tensors: Tensors) -> str:
    names = [f"'{name}' {_shape(tensor)}" for name, tensor in tensors.items() if tensor.dim() > 1]
    return ", ".join(names[:2]) or "none with two dimensions"


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single value"
