"""Model files from strangers: their kind is recognised and their size limited before anything is loaded."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from ...errors import UserError
from ...io.archive_errors import DAMAGED
from ...io.images.limits import TRUST_LARGE
from ...io.text_files import parse_json
from ...runs.devices import out_of_memory

MAX_MODEL_BYTES = 4_000_000_000
"""Bytes of a model's files, unpacked; larger ones are read with --trust-large."""
MAX_MEMBERS = 100_000
"""Files in a model's archive."""
MAX_JSON_BYTES = 50_000_000
"""Bytes of one description in a model's archive."""

TorchKind = Literal["TorchScript", "exported program"]


def check_model_size(path: Path, size: int) -> None:
    """Raise UserError for a model of more bytes than are loaded, unless large files are trusted."""
    if size > MAX_MODEL_BYTES and os.environ.get(TRUST_LARGE) != "1":
        raise UserError(
            f"{path}: has {size:,} bytes; of a model at most {MAX_MODEL_BYTES:,} are loaded. If you trust the file, "
            "add --trust-large."
        )


def model_file(source: str, method: str, endings: tuple[str, ...]) -> Path:
    """The file that a method's name ends in. Raises UserError where there is none, it is empty, or too large."""
    path = Path(source)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise UserError(f"{method}:{source}: {what}; expected a model ({', '.join(endings)})")
    size = path.stat().st_size
    if size == 0:
        raise UserError(f"{path}: is empty (0 bytes); expected a model ({', '.join(endings)}). Write it again.")
    check_model_size(path, size)
    return path


def torch_kind(path: Path) -> TorchKind:
    """What a file of PyTorch's is: TorchScript, or an exported program.

    Raises
    ------
    UserError
        For anything else, with how to export: a pickle (a module, or a state dict) runs code of its own when it is
        loaded, or holds no network. For an exported program with parts that only a pickle can load, or compiled code.
    """
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: {_unlike(path)}. {_EXPORT}")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise UserError(f"{path}: holds more than {MAX_MEMBERS:,} files; such a model is not loaded")
            check_model_size(path, sum(each.file_size for each in members))
            names = {each.filename.partition("/")[2] for each in members}
            if "constants.pkl" in names and any(name.startswith("code/") for name in names):
                return "TorchScript"
            if "archive_format" in names and any(name.startswith("models/") for name in names):
                _refuse_pickles(path, archive)
                return "exported program"
    except MemoryError:
        raise
    except (OSError, *DAMAGED) as error:
        raise UserError(f"{path}: is damaged ({error}). Write it again.") from None
    if "data.pkl" in names:
        what = (
            "a pickle of a module or of a state dict: it holds weights and no network that could run without its code"
        )
        raise UserError(f"{path}: is {what}, and pickles are not loaded. {_EXPORT}")
    raise UserError(f"{path}: is neither TorchScript nor an exported program. {_EXPORT}")


_EXPORT = (
    "Export the network where its code is: torch.jit.trace(network.eval(), torch.rand(1, 3, 512, 512)).save('net.pt'), "
    "or torch.export.save(torch.export.export(network.eval(), (torch.rand(1, 3, 512, 512),)), 'net.pt2'); then use "
    "torch:net.pt. Weights alone start a training with --init."
)


def _unlike(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(2)
    if start[:1] == b"\x80":
        return "is a pickle (of a module or a state dict), and pickles are not loaded"
    return "is neither TorchScript nor an exported program"


def _refuse_pickles(path: Path, archive: zipfile.ZipFile) -> None:
    """An exported program may carry pickles and compiled libraries, which run code when they are loaded."""
    for member in archive.infolist():
        name = member.filename.partition("/")[2]
        if name.startswith("data/aotinductor/") or name.endswith((".so", ".dll", ".dylib", ".cubin")):
            raise UserError(f"{path}: holds compiled code ('{name}'), which is not loaded. {_EXPORT}")
        if name.startswith("data/sample_inputs/"):
            _refuse_unsafe_tensors(path, archive, member)
        if not (name.endswith("_config.json") and name.startswith("data/")):
            continue
        for entry in _entries(path, archive, member):
            plain = isinstance(entry, Mapping) and str(entry.get("path_name")).startswith(("weight_", "tensor_"))
            if not plain or entry.get("use_pickle") is not False:
                raise UserError(f"{path}: holds a value that only a pickle can load ('{name}'). {_EXPORT}")


def _refuse_unsafe_tensors(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Examples of inputs are loaded by a pickle where they are more than tensors."""
    import torch

    try:
        torch.load(io.BytesIO(archive.read(member)), map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise UserError(f"{path}: '{member.filename}' is more than tensors ({reason}). {_EXPORT}") from None


def _entries(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> list[Any]:
    """What a description in the archive says of each tensor."""
    if member.file_size > MAX_JSON_BYTES:
        raise UserError(f"{path}: '{member.filename}' has {member.file_size:,} bytes; such a model is not loaded")
    try:
        content = parse_json(archive.read(member))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: '{member.filename}' is no JSON that can be read ({error}). Write it again.") from None
    config = content.get("config") if isinstance(content, dict) else None
    return list(config.values()) if isinstance(config, dict) else []


def loaded(what: str, path: Path, load: Callable[[], Any]) -> Any:
    """What `load` returns; whatever a library raises for a broken file becomes one message."""
    return _without_traceback(load, f"{path}: cannot be loaded as {what}", "Write it again.")


def ran(model: str, sides: tuple[int, int], run: Callable[[], Any]) -> Any:
    """What a model returns for images of this height and width; whatever it raises becomes one message.

    Memory that runs out is left to those who know what to lower.
    """
    advice = "Where it is for images of one size, write 'size: [height, width]' into its model card."
    return _without_traceback(run, f"{model}: fails on images of {sides[0]} x {sides[1]}", advice)


def _without_traceback(call: Callable[[], Any], what: str, advice: str) -> Any:
    try:
        return call()
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, RuntimeError) and out_of_memory(error):
            raise
        raise UserError(f"{what} ({_reason(error)}). {advice}") from error


def _reason(error: Exception) -> str:
    """The line of an error that says what is wrong: TorchScript's ends with it, after the code that was run."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if line.startswith(("RuntimeError: ", "ValueError: "))]
    return (named[-1].partition(": ")[2] if named else lines[0])[:200] if lines else type(error).__name__
