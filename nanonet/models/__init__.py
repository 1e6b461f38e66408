"""One architecture a file: plain modules from raw counts (b, 1, y, x) to logits (b, class, y, x).

Each has ``normalise`` (counts to contrast, over the whole frame) and ``logits`` (contrast to logits), and
``forward`` is one after the other, so that a frame too large for memory can be normalised whole and then be
read in tiles.
"""
