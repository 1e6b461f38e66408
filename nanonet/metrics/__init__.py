"""One metric a file: a pure function, and a torchmetrics class around it where training logs it."""
