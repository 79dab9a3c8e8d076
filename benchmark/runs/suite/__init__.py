"""Suites: grids of runs."""
