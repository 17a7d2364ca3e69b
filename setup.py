"""The long description of the package: README.md without what an index cannot show.

Everything else is in setup.cfg. Pictures and links to files of the repository become their text: an index has no such
files, and the repository has no address to link to.
"""

import re
from pathlib import Path

from setuptools import setup

_RELATIVE = r"\((?!https?://|#)[^)\s]*\)"


def long_description(readme: str) -> str:
    """The text of the README for an index."""
    without_pictures = re.sub(rf"!\[([^\]]*)\]{_RELATIVE}", r"*(picture: \1)*", readme)
    return re.sub(rf"\[([^\]]*)\]{_RELATIVE}", r"\1", without_pictures)


if __name__ == "__main__":
    setup(long_description=long_description((Path(__file__).parent / "README.md").read_text(encoding="utf-8")))
