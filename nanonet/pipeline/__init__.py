"""The pipelines: the only place that knows in which order the stages run."""
