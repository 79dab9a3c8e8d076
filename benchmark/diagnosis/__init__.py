"""Recognising what is wrong with predictions: pure functions on arrays; only `files` reads, nothing writes.

`looks` is what is seen of predictions and truth, `steps` are the remedies (values in, values out). `labels`,
`geometry`, `damage`, `probability`, `stems` and `sets` recognise one family of mistakes each and return suspicions.
Whether a suspicion becomes a finding is decided by the score after its remedy (`segbench.commands.doctor`).
"""
