"""Models trained elsewhere: their cards, how images are given to them, and how their outputs are read."""
