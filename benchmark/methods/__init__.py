"""What baselines are built from."""
