"""Training shared by every learned method. No torch is imported here, so that a method's info can be read without it.

config: the settings and their checks. arrays: samples as small decoded arrays. loading: batches of them from threads or
processes. cache: decoded ones on disk. augmentation: random views of a batch, each from its own key.
losses: what is minimised. compute: device and precision. schedule: learning rate and time limit. engine: the loop.
checkpoint: its state on disk. inference: probabilities of images of any size.
"""

import os

# OpenMP reads this once, when torch is loaded. By default a thread that waits for another spins; when another program
# has the other core, that makes a training step several times slower, while sleeping costs a quiet machine nothing.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
