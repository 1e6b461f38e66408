"""Bodies are those of the benchmark: drawn in real space, without the projector that is tested."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
