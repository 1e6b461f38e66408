"""Particles -> tables of their properties, tracks over frames, and statistics with intervals."""
