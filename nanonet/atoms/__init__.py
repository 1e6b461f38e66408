"""A 3D map becomes atoms: found, fitted together, told with errors, and described by statistics."""
