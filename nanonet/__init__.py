"""Deep learning for (S)TEM images and in situ movies of inorganic nanoparticles."""

__version__ = "0.1.0"
