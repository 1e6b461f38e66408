"""What is written, one family a file; each file appears whole or not at all."""
