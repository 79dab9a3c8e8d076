"""Official scores with intervals in other people's training loops: a thin layer around `segbench.Evaluator` for each.

`lightning` has a callback, `huggingface` a `compute_metrics` for the Trainer, `mmengine` a hook. Each module imports
its package, which segbench itself does not need: pip install "segbench[integrations]".
"""

from __future__ import annotations

from ..evaluation.evaluator import Evaluator


def named_scores(evaluator: Evaluator, prefix: str = "") -> dict[str, float]:
    """Every defined score of an evaluator as `<prefix><name>`, and the ends of its interval as `…_low` and `…_high`.

    The samples of all processes of torch.distributed count, each once; empty where none was counted.
    """
    everything = evaluator.gather(drop_repeats=True)
    if not len(everything):
        return {}
    found: dict[str, float] = {}
    for name, score in everything.scores().items():
        values = {"": score.value, "_low": score.low, "_high": score.high}
        found |= {f"{prefix}{name}{end}": value for end, value in values.items() if value is not None}
    return found
