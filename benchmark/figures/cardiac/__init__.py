"""Figures of beating hearts."""
