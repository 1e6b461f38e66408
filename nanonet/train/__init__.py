"""Training with Lightning, and the checkpoints it leaves; `nanonet.train.checkpoint` needs no Lightning."""
