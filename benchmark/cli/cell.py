"""A cell of a suite: `bench` as a process that ends when the suite does. `python -m segbench.cli.cell run …`."""

from ..io.processes import end_with_stdin
from . import main

if __name__ == "__main__":
    end_with_stdin()
    main()
