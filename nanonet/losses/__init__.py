"""One loss a file: a pure function, and a module around it that a config names.

Every loss of column depth is called with (logits, depth, membership, weight) of a batch, see
`nanonet.losses.soft_cross_entropy`; it is 0 just where the predicted chances are those of the labels.
"""
