"""Train a network: ``python train.py experiment=NAME [group=variant] [key=value]``."""

import sys

from nanonet.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
