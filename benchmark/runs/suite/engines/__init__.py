"""Engines of a suite: where its cells run, and how many at a time. Each is a file; the cells are the same."""
