"""Shards: what is simulated once, stored whole or absent, made by any number of processes."""
