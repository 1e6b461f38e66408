"""From drawn samples to batches: labels, symmetries, splits by structure, a DataModule."""
