"""Hearts of masks at hand, by no run or by one: read as sequences, held against truth, changed on purpose."""
