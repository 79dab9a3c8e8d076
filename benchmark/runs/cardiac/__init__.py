"""Hearts from masks, with or without a run: read as sequences, compared with the truth, and changed on purpose."""
