"""What happens to particles, one process a file."""
