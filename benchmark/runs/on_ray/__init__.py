"""Work on a Ray cluster, an existing one or one started for it: connecting, and what a node needs."""
