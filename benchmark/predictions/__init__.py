"""Predictions on disk: found, matched to samples, read, stored and exported."""
