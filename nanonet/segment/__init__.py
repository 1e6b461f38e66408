"""Image -> mask -> separated particles."""
