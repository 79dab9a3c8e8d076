"""Models that exist: what they are told by a card, how images come to them, and what becomes of their outputs."""
