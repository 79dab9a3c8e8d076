"""What each loss says of a constant prediction and of a small error, with 43 % and with 15 % foreground.

    python tests/simulation/values_of_losses.py [--plot docs/images/imbalance.svg]

Prints the tables of docs/imbalance.md, and draws its plot.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from imbalance import table_of_constants, table_of_values, write_plot

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    print("\n".join([*table_of_values(), "", *table_of_constants()]))
    if given.plot is not None:
        write_plot(given.plot)
