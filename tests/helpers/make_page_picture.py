"""Make the docs' image of the page: its sample, bicubic left of the divider and the network right of it.

    python -m tests.helpers.make_page_picture docs/images/page.jpg

Needs Chromium, and LiteRT.js as `ecbsr page` does.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from android_bench.web_page.site import write_site
from tests.helpers.pages import served

SIZE = (760, 620)


def main() -> None:
    """Run the command line above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    picture = parser.parse_args().picture
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as driver:
        write_site(Path(temporary) / "page")
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        with served(Path(temporary) / "page", {}) as (address, _):
            page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
            page.goto(address)
            page.wait_for_selector("html[data-ready]", timeout=120_000)
            page.screenshot(path=picture, type="jpeg", quality=85)
        browser.close()


if __name__ == "__main__":
    main()
