"""The evaluation engine: statistics of samples, scores and intervals from them, paired comparison."""
