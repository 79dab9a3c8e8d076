"""Recognising what is wrong with predictions: pure functions on arrays; only `lenient_reading` reads, nothing writes.

`sampled_pixels` is what is seen of predictions and truth, `remedy_functions` are the remedies (values in, values out).
`labels`, `geometry`, `lossy_files`, `probability`, `misassigned` and `repeated_maps` recognise one family of mistakes
each and return suspicions. Whether a suspicion becomes a finding is decided by the score after its remedy (`remedies`,
`conclusions`).
"""
