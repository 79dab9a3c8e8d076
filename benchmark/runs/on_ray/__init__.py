"""Work on a Ray cluster that is there already, or on one that is started for it: connecting, and what a node needs."""
