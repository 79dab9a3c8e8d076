"""Comparing stored runs: what may be compared, boards, paired tests, and the verdict of the regression gate."""
