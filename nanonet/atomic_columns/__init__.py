"""Find atomic columns, read their depth, fit their lattice and follow them through time."""
