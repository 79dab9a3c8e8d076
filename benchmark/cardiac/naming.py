"""Names from outside, made fit for files and for figures."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

_UNUSUAL = re.compile(r"[^A-Za-z0-9._-]+")


def file_stems(names: Sequence[str]) -> list[str]:
    """One stem for each name that any file system takes; names that are alike in it, or were changed, get a digest.

    >>> file_stems(["N0092", "../x"])
    ['N0092', 'x-d6b96a97']
    """
    plain = [_UNUSUAL.sub("_", name)[:60].strip("._-") or "sequence" for name in names]
    folded = [stem.casefold() for stem in plain]
    stems = []
    for place, (name, stem) in enumerate(zip(names, plain, strict=True)):
        if stem != name or folded.count(folded[place]) > 1:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            twice = names[:place].count(name)
            stem = f"{stem}-{digest}" + (f"-{twice + 1}" if twice else "")
        stems.append(stem)
    return stems


def shown(text: str, most: int = 60) -> str:
    """Text from outside as one short line that a figure can hold: what cannot be printed becomes `?`.

    >>> shown("a\\nb")
    'a?b'
    """
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= most else plain[: most - 1] + "…"
