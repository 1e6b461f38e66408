"""One particle that turns: its movie becomes a 3D map, from the lattice that its atoms are known to have."""
