"""segbench: which segmentation method is better, by how much, at what cost, and can the number be trusted."""

from pathlib import Path

__version__ = "0.1.0"

_here = Path(__file__).resolve().parent
if _here.name == "benchmark":
    # In a checkout the sibling folders `datasets/`, `baselines/` and `configs/` are parts of this package. First in the
    # path, so that a new file anywhere in the checkout is seen without installing again.
    __path__[:0] = [str(_here), str(_here.parent)]
