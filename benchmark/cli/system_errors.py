"""Errors of the system (space, permissions, files, memory) as one sentence that says where, and what to do."""

from __future__ import annotations

import errno
import traceback

from ..io.address_space import MIN_ADDRESS_SPACE, address_space

_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "Make room there, or choose another place"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Choose a place that you may use, or ask for the right"),
    errno.EPIPE: "A process that this command talked to ended early. Try again with fewer --workers",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Use fewer --workers, or allow more ('ulimit -n 1024')"),
}
_NO_MEMORY = (
    *("cannot allocate memory", "can't allocate memory", "can't start new thread", "failed to map segment"),
    *("insufficient memory", "bad_alloc"),
)
_NO_ADDRESSES = ("could not create a primitive", "could not execute a primitive")
"""What oneDNN says for any reason: where addresses are limited it is that one."""


def sentence_of(error: Exception) -> str | None:
    """The sentence for an error of the system; None for any other error, which is a fault of segbench."""
    if isinstance(error, OSError) and (error.errno is not None or error.filename is not None):
        what = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        remedy = _REMEDIES.get(error.errno or 0)
        return f"{what}. {remedy}." if remedy else what
    if isinstance(error, EOFError):
        return _cut_short(error)
    if "BrokenExecutor" in (kind.__name__ for kind in type(error).__mro__):  # importing it is slow
        return (
            "a process that worked here was ended from outside, as for lack of memory. Try again with fewer --workers."
        )
    told = _NO_MEMORY if address_space() is None else _NO_MEMORY + _NO_ADDRESSES
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in told):
        reason = str(error).strip().partition("\n")[0]
        return (
            f"there is not enough memory{f' ({reason})' if reason else ''}. Use fewer --workers, smaller batches or "
            f"images, or allow more{_limit(' (ulimit -v allows {} MB)')}."
        )
    return None


def _cut_short(error: EOFError) -> str:
    """Of Python's own compiled files too: where a disk is full it may leave one cut short, and read it ever after."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if (compiled := frame.f_locals.get("bytecode_path")) is not None:
            return f"'{compiled}' was cut short, as by a disk that was full. Delete it; Python makes it anew."
    return f"a file ended too early ({str(error) or 'nothing more is known of it'})"


def refuse_too_little_memory() -> str | None:
    """The sentence for an address space in which nothing here can work; None where it is larger or not limited."""
    allowed = address_space()
    if allowed is None or allowed >= MIN_ADDRESS_SPACE:
        return None
    return (
        f"this process may use {allowed >> 20} MB of address space (ulimit -v); its libraries take "
        f"{MIN_ADDRESS_SPACE >> 20} MB at least. Raise the limit, or limit the memory itself (cgroups, a container)."
    )


def _limit(text: str) -> str:
    allowed = address_space()
    return "" if allowed is None else text.format(allowed >> 20)
