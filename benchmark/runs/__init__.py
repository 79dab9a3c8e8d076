"""Runs: their record, their folder, and how stored ones are found and opened."""
