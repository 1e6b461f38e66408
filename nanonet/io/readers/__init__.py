"""What the formats of microscopes hold, one family a file, each frame read when it is asked for."""
