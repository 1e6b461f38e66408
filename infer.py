"""Analyse images: ``python infer.py pipeline=NAME input=FILE [group=variant] [key=value]``."""

import sys

from nanonet.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["infer", *sys.argv[1:]]))
