"""`python -m segbench` is `bench`; what `accelerate launch -m segbench run …` starts."""

from .cli import main

main()
