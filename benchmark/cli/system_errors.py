"""What the system refuses (space, rights, files, memory) as one sentence that says where, and what to do."""

from __future__ import annotations

import errno
import os
import sys

_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "Make room there, or choose another place"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Choose a place that you may use, or ask for the right"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Use fewer --workers, or allow more ('ulimit -n 1024')"),
}
_NO_MEMORY = ("cannot allocate memory", "can't allocate memory", "can't start new thread", "failed to map segment")
_MIN_ADDRESS_SPACE = 1 << 30
"""With less, a library of linear algebra asks for memory again and again without end."""


def sentence_of(error: Exception) -> str | None:
    """The sentence for an error of the system; None for any other error, which is a fault of segbench."""
    if isinstance(error, OSError) and (error.errno is not None or error.filename is not None):
        what = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        remedy = _REMEDIES.get(error.errno or 0)
        return f"{what}. {remedy}." if remedy else what
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_MEMORY):
        reason = str(error).strip().partition("\n")[0]
        return (
            f"there is not enough memory{f' ({reason})' if reason else ''}. Use fewer --workers, smaller batches or "
            f"images, or allow more{_limit(' (ulimit -v allows {} MB)')}."
        )
    return None


def refuse_too_little_memory() -> str | None:
    """The sentence for an address space in which nothing here can work; None where it is larger or not limited."""
    allowed = _address_space()
    if allowed is None or allowed >= _MIN_ADDRESS_SPACE:
        return None
    return (
        f"this process may use {allowed >> 20} MB of address space (ulimit -v); its libraries take "
        f"{_MIN_ADDRESS_SPACE >> 20} MB at least. Raise the limit, or limit the memory itself (cgroups, a container)."
    )


def _limit(text: str) -> str:
    allowed = _address_space()
    return "" if allowed is None else text.format(allowed >> 20)


def _address_space() -> int | None:
    if sys.platform == "win32" or os.name != "posix":
        return None
    import resource

    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if allowed == resource.RLIM_INFINITY else allowed
