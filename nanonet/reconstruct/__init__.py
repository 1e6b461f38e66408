"""Images of particles that look alike -> one 3D map of them."""
