"""Particles that change with time, filmed with the truth of every frame."""
