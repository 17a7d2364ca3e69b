"""Make the README's image of a report: this machine beside a stand-in for a phone.

    python -m tests.helpers.make_report_picture docs/images/report.png [--pages FOLDER]

Needs Chromium. The stand-in answers the real adb client and runs models with this machine's interpreter; how many nodes
its "gpu" and "nnapi" delegate is made up. `--pages` keeps the bench's output folder, with images of the whole page:
light, dark and narrow.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from android_bench import cli
from ecbsr_mobile import zoo
from tests.helpers.adb_device import Device
from tests.helpers.adb_servers import private_adb, renamed, run_adb
from tests.helpers.standin_tool import elf

SERIAL = "stand-in"
LOOKS = {"light": (1060, "light"), "dark": (1060, "dark"), "narrow": (360, "light")}
HEIGHT = 1562  # of the README's image: the top of the page, down to the details


def main() -> None:
    """Run the command line above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--pages", type=Path, help="a new folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        pages = arguments.pages or Path(temporary) / "pages"
        bench(Path(temporary), pages)
        photograph(pages, arguments.picture)


def bench(folder: Path, out: Path) -> None:
    """Benchmark both devices into one report, written to `out`."""
    for name in ("phone", "home"):
        (folder / name).mkdir()
    (folder / "stand-in.elf").write_bytes(elf())
    behavior = {"run": 1, "delegates": {"gpu": [13, 14], "nnapi": [0, 14]}}
    named = {"ro.product.manufacturer": "", "ro.product.model": "Stand-in, not a phone"}
    chip = {"ro.soc.manufacturer": "", "ro.soc.model": "none: this machine again", "ro.build.fingerprint": "stand-in"}
    with private_adb(folder / "home") as environment:
        os.environ.update(environment)
        phone = Device(folder / "phone", behavior, **named, **chip)
        run_adb("connect", phone.serial)
        try:
            with renamed({SERIAL: phone.serial}):
                models = [str(zoo.tflite("ecbsr-m4c16-x2", precision)) for precision in ("fp32", "int8")]
                options = [
                    "--size=270p,360p",
                    "--delegate=cpu,gpu,nnapi",
                    "--rounds=3",
                    "--runs=10",
                    "--check",
                    "--profile",
                ]
                devices = ["--device=host", f"--device={SERIAL}", "--tool", str(folder / "stand-in.elf")]
                cli.main([*models, *options, *devices, "--out", str(out)])
        finally:
            phone.close()


def photograph(pages: Path, picture: Path) -> None:
    """Screenshots in Chromium: the top of the page as `picture`, the whole page beside it in each look."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for name, (width, scheme) in LOOKS.items():
            page = chromium.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
            page.goto((pages / "report.html").resolve().as_uri())
            assert "Stand-in, not a phone" in page.inner_text("body")
            if name == "light":
                page.screenshot(path=picture)
                Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)
            page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
            page.screenshot(path=pages / f"{name}.png", full_page=True)
        chromium.close()


if __name__ == "__main__":
    main()
