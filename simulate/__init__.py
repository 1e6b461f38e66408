"""Training data of nanoparticles with exact truth, from the physics of abTEM."""
