"""Bytes, not meaning: files, locks, YAML, HTTP, interrupts, messages, fingerprints."""
