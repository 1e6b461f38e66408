"""Deep learning for (S)TEM images and in situ movies of inorganic nanoparticles."""
