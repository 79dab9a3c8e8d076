"""What to say of a folder in which no file is a mask."""

from __future__ import annotations

import shlex
from pathlib import Path

from ...io.listing import unread_files
from ...text import counted, some
from ...types import UserError
from .classes_file import FILE, Classes
from .names import IMAGES, MASKS


def no_masks(root: Path, classes: Classes | None) -> UserError:
    """What to say where no file is a mask: what lies there instead."""
    from ..importing.recognition import recognised

    if formats := recognised(root):
        command = shlex.join(["bench", "data", "import", str(root), "--out"])
        return UserError(
            f"no masks below '{root / 'masks'}'. It holds annotations of {' and '.join(formats)}: run '{command} DIR', "
            "which makes such a folder of them."
        )
    folder = root / "masks"
    there = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    unread = unread_files(there, MASKS)
    holds = f" It holds {unread}." if unread else ""
    if there and not unread and classes is not None and "mask" in classes.names:
        holds = f" {FILE} says that masks are called '{classes.names['mask']}'; '{there[0].name}' is not."
    elif not folder.is_dir():
        beside = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        inner = next((path for path in beside if (path / "masks").is_dir()), None)
        names = some([path.name for path in beside])
        holds = f" There are the folders {names}: call that of the masks 'masks'." if beside else ""
        loose = sorted(path.name for path in root.iterdir() if path.suffix.lower() in IMAGES | MASKS)
        if loose and not beside:
            where = f"{counted(len(loose), 'image')} in '{root}' itself, first '{loose[0]}'"
            holds = f" {where}: move the masks into masks/ and the images into images/."
        holds = holds if inner is None else f" There is '{inner / 'masks'}': give --root {shlex.quote(str(inner))}."
    return UserError(
        f"no masks below '{folder}'.{holds} Expected masks/ (PNG, TIFF, BMP, GIF, WebP, .npy) and images/ (also JPEG) "
        "with the same names. Run 'bench data describe folder' for the whole layout."
    )
