"""Predictions that cannot be scored: all are named at once, and each kind of fault is explained once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ..errors import MemoryShortError
from ..text import counted, fault_lines
from ..types import Dataset, Metric, PredictionSource, UserError
from .evaluate import measure

_MAX_SECONDS = 20.0
"""Time that is spent on looking for more of what is wrong, once there is one."""


def wrong_predictions(
    first: UserError, dataset: Dataset, metrics: Sequence[Metric], sources: Mapping[str, PredictionSource]
) -> UserError:
    """The error for all predictions that cannot be scored, where the first one met is `first`.

    Equal faults of several files are told as one, with the names of the files. Where `first` is not about the file of
    a prediction, or no other file is wrong, it comes back as it is.
    """
    files = {sample_id: str(source.paths[0]) for sample_id, source in sources.items()}
    if sum(file in str(first) for file in files.values()) == 0 or len(set(files.values())) < len(files):
        return first
    kinds: dict[str, list[tuple[str, str]]] = {}
    start, looked_at = time.monotonic(), 0
    for sample_id, source in sources.items():
        if time.monotonic() - start > _MAX_SECONDS:
            break
        looked_at += 1
        try:
            measure(dataset, metrics, (sample_id, source))
        except MemoryShortError:
            continue
        except UserError as error:
            message = str(error)
            kind = message.replace(files[sample_id], "").replace(f"'{sample_id}'", "")
            kinds.setdefault(kind, []).append((files[sample_id], message))
    wrong = sum(map(len, kinds.values()))
    if wrong < 2:
        return first
    told = "" if looked_at == len(sources) else f" of the first {looked_at:,}"
    return UserError(
        "\n".join(
            [
                f"{wrong:,}{told} of {counted(len(sources), 'prediction')} cannot be scored:",
                *fault_lines(kinds),
                "'bench doctor' with the same data and predictions looks for the cause and says what to do.",
            ]
        )
    )
