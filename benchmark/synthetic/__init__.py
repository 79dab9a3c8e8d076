"""Generated stand-ins for data that cannot be redistributed, written in each dataset's official layout.

Every generator has `GENERATOR_VERSION`, two plans `SMALL` and `FULL`, and
`synthesize(root, *, seed=0, plan=SMALL, workers=None, progress=None)`, which makes the same bytes for one seed and
plan, whatever the number of workers:

root : Path
    Folder to make. It may hold an earlier synthetic dataset (which is replaced), nothing else: else a UserError.
seed : int
    Chooses what is drawn.
plan : dataclass
    How much to make.
workers : int, optional
    Processes; default: one per processor.
progress : callable, optional
    Called with (done, in all).
"""
