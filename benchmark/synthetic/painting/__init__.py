"""Textures, outlines and scenery shared by the generators of synthetic data."""
