"""The version of segbench, as its package has it."""

__version__ = "0.2.0.dev0"
