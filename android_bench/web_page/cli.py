"""`ecbsr page`: write a static page that runs models in any browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from ecbsr_mobile.cli import common, paths

EPILOG = """\
Serve the folder with any static web server, over https or from this machine:
  python3 -m http.server --directory DIR
"""


def parser() -> argparse.ArgumentParser:
    """The argument parser of the command."""
    parser = common.parser("ecbsr-page", "Write a static page that runs super-resolution models in a browser.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    add = parser.add_argument
    add("models", nargs="*", metavar="MODEL", type=paths.MODEL,
        help=".tflite files or bundled models: NAME and NAME-int8 in int8, NAME-fp32 in fp32 (default: ecbsr-m4c16-x2 "
        "in int8 and in fp32)")  # fmt: skip
    add("--out", required=True, metavar="DIR", type=paths.OUTPUT_FOLDER, help="new folder for the page")
    add("--litert-js", metavar="DIR", type=paths.INPUT_FOLDER,
        help="a node_modules with LiteRT.js (default: fetched from npm once)")  # fmt: skip
    add("--json", action="store_true", help="print the result as JSON")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; see `parser`."""
    arguments = parser().parse_args(argv)
    from .site import check_new, write_site

    check_new(Path(arguments.out))
    site = write_site(arguments.out, arguments.models, arguments.litert_js, common.notice)
    if arguments.json:
        common.print_json(site)
    else:
        common.print_line(f"{site.folder}: {', '.join(site.models)}")
        common.notice(f"serve it: python3 -m http.server --directory {site.folder}")
    return common.DONE


def script() -> None:
    """The command's entry point."""
    common.run(main)


if __name__ == "__main__":
    script()
