"""Training shared by every learned method. Nothing here is imported, so that reading a method's info needs no torch.

config: the settings and their checks. arrays: samples as small decoded arrays. augmentation: random views of a batch.
losses: what is minimised. compute: device and precision. engine: the loop. checkpoint: its state on disk.
inference: probabilities of images of any size.
"""
