"""Where the repository and the reference data beside it lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT.parent / "shared"
