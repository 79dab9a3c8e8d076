"""V_Rand and V_Info of a whole stack from its counts, by the definition alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segbench.metrics.partition import slice_counts
from segbench.types import Array


def stack_scores(foregrounds: Sequence[Array], probabilities: Sequence[Array]) -> tuple[float, float]:
    """V_Rand and V_Info of a stack: the best, over one common threshold, of the mean over its slices.

    Parameters
    ----------
    foregrounds, probabilities : sequences of (H, W) arrays
        As in `slice_counts`, one of each per slice.
    """
    counts = [slice_counts(truth, proposal) for truth, proposal in zip(foregrounds, probabilities, strict=True)]
    rand = np.array([[c.v_rand for c in at_thresholds] for at_thresholds in counts])
    info = np.array([[c.v_info for c in at_thresholds] for at_thresholds in counts])
    return float(rand.mean(axis=0).max()), float(info.mean(axis=0).max())
