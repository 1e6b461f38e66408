"""Particles -> classes of like particles: what describes them, ways to group them, the choice."""
