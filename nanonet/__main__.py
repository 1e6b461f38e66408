"""``python -m nanonet`` is the console script."""

import sys

from nanonet.cli.main import main

sys.exit(main())
