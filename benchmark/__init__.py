"""segbench: which segmentation method is better, by how much, at what cost, and can the number be trusted."""

from pathlib import Path

__version__ = "0.1.0"

_here = Path(__file__).resolve().parent
if _here.name == "benchmark":
    # In a checkout the sibling folders `datasets/`, `baselines/` and `configs/` are parts of this package, and a new
    # file in any of them is to be seen without installing again.
    __path__ += [str(_here), str(_here.parent)]
