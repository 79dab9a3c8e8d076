"""What datasets are built from: locations, splits, listings, checks of samples, verification."""
