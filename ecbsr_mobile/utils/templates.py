"""The Jinja2 environment of all pages and cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(*packages: str, escape: bool = True) -> Environment:
    """Templates that lie beside the modules of some packages; an undefined variable is an error.

    Args:
        packages: import names, in the order in which templates are looked up.
        escape: escape values for HTML; otherwise the result is text, with the last newline of its template.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader(package, ".") for package in packages]),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not escape,
    )
