"""Weights learned on ImageNet: fetched once, kept in the cache, and a clear message where they cannot be had."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ...data.download.fetch import RetryPolicy, accept, discard, fetch, part_of
from ...data.locations import cache_home
from ...errors import UserError
from ...io.atomic import write_text
from ...io.fingerprints import file_sha256
from ...io.locks import exclusive
from ...io.reporter import Reporter
from ...io.text_files import read_json
from ...types import Download

Tensors = dict[str, torch.Tensor]

PATIENCE = RetryPolicy(attempts=2, timeout_s=20.0)
"""A machine without a way out is told so within seconds."""


def weights_folder() -> Path:
    """Where fetched weights are kept, and where a user may put them."""
    return cache_home() / "weights"


def torchvision_weights(network: str, version: str = "IMAGENET1K_V1") -> Tensors:
    """Published weights of a torchvision network as its state dict, by default a classifier's first on ImageNet.

    Raises UserError for a network that has none of this version.
    """
    from torchvision.models import get_model_weights

    published: Any = get_model_weights(network)
    if version not in published.__members__:
        raise UserError(f"torchvision's {network} has no weights {version}: --set weights=null")
    url = published[version].url
    return _read(weights_file(network, url, url.rsplit("/", 1)[1]), network)


def smp_weights(encoder: str) -> tuple[Tensors, dict[str, list[float]]]:
    """ImageNet weights of an smp encoder as its state dict, and `mean` and `std` of its images in 0..1.

    Raises UserError where they cannot be had, with the reason.
    """
    from huggingface_hub import hf_hub_url
    from segmentation_models_pytorch.encoders import encoders

    settings = encoders[encoder]["pretrained_settings"].get("imagenet")
    if settings is None:
        raise UserError(f"encoder '{encoder}' has no ImageNet weights: --set weights=null")
    repository, revision = settings["repo_id"], settings["revision"]
    paths = [
        weights_file(
            encoder, hf_hub_url(repository, name, revision=revision), f"{repository.replace('/', '--')}-{name}"
        )
        for name in ("config.json", "model.safetensors")
    ]
    looks = read_json(paths[0])
    # Some were trained on 0..255, and ours are images in 0..1.
    top = looks.get("input_range", [0, 1])[1]
    return _read(paths[1], encoder), {name: [value / top for value in looks[name]] for name in ("mean", "std")}


def timm_file(encoder: str) -> Path:
    """The file with the pretrained weights of a timm model (name without `tu-`).

    Raises UserError where it cannot be fetched.
    """
    import timm
    from huggingface_hub import hf_hub_url

    settings = timm.get_pretrained_cfg(encoder) if timm.is_model_pretrained(encoder) else None
    if settings is None or not (settings.hf_hub_id or settings.url):
        raise UserError(f"encoder 'tu-{encoder}' has no pretrained weights: --set weights=null")
    if settings.hf_hub_id:
        repository = settings.hf_hub_id
        name = settings.hf_hub_filename or "model.safetensors"
        return weights_file(f"tu-{encoder}", hf_hub_url(repository, name), f"{repository.replace('/', '--')}-{name}")
    url = str(settings.url)
    return weights_file(f"tu-{encoder}", url, url.rsplit("/", 1)[1])


def weights_file(what: str, url: str, filename: str) -> Path:
    """The file of this name in the weights' folder, fetched from `url` unless it is there.

    A name that ends in eight hexadecimal digits before its suffix says how the file's SHA-256 begins. Of every file the
    SHA-256 is written down beside it when it is first used, and held to from then on.

    Raises
    ------
    UserError
        The file cannot be fetched or is another one: names it, its address, and the folder that it may be put into.
    """
    path = weights_folder() / filename
    if path.is_file():
        _same_as_ever(path)
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        busy = f"waiting for another process that fetches {filename}"
        with exclusive(path.with_name(f"{filename}.lock"), busy, Reporter().say):
            if not path.is_file():
                _fetch(Download(url, filename, extract=False), path)
    except (UserError, OSError) as error:
        raise UserError(
            f"the pretrained weights of {what} cannot be had: {str(error).rstrip('.')}. Fetch {url} elsewhere and put "
            f"it into '{path.parent}' as '{filename}', or train from random weights with --set weights=null."
        ) from error
    return path


def _fetch(download: Download, path: Path) -> None:
    fetch(download, path, patience=PATIENCE)
    found, wanted = file_sha256(part_of(path)), re.search(r"-([0-9a-f]{8})\.\w+$", path.name)
    if wanted and not found.startswith(wanted[1]):  # before it has its name, by which a later call would trust it
        discard(path)
        raise UserError(f"its SHA-256 begins with {found[:8]}, expected {wanted[1]}")
    accept(download, path, None)
    write_text(_digest_of(path), found + "\n")


def _digest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _same_as_ever(path: Path) -> None:
    """Hold a file to the SHA-256 of its first use, or write that down.

    Raises UserError for a file that has changed since.
    """
    found, kept = file_sha256(path), _digest_of(path)
    if not kept.is_file():
        with suppress(OSError):  # a folder of weights that several people share may be read-only
            write_text(kept, found + "\n")
    elif kept.read_text(encoding="ascii", errors="replace").strip() != found:
        raise UserError(
            f"'{path}' is not the file that was first used: its SHA-256 is {found}. Put the first one back, or, if the "
            f"change is meant, take '{kept.name}' away."
        )


def _read(path: Path, what: str) -> Tensors:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        tensors: Tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(
            f"'{path}' does not hold the weights of {what} ({str(error).splitlines()[0]}). Remove it and try again."
        ) from error
    return tensors
