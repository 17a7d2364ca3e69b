"""Damage by a seeded generator, to bytes, JSON and lines; `fuzz_json` and `fuzz_text` do it for hypothesis."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Sequence
from typing import Any

from .fuzz_json import LITERALS, VALUES, paths, value_at
from .fuzz_text import NUMBERS

_WORDS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x01\0\0\0")


def damaged(data: bytes, generator: random.Random) -> bytes:
    """The data with one to four parts changed, removed, repeated or cut off."""
    changed = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        place = generator.randrange(len(changed) + 1)
        kind = generator.randrange(6)
        if kind == 0:
            changed[place : place + 1] = bytes([generator.randrange(256)])
        elif kind == 1:
            changed[place : place + 4] = generator.choice(_WORDS)
        elif kind == 2:
            del changed[place : place + generator.choice((1, 4, 100))]
        elif kind == 3:
            changed[place:place] = changed[place : place + generator.randrange(200)]
        elif kind == 4:
            changed[place : place + 2] = generator.randrange(2**16).to_bytes(2, "little")
        elif generator.random() < 0.2:
            del changed[place:]
    return bytes(changed)


def damaged_json(document: Any, generator: random.Random) -> bytes:
    """JSON text of the document with values replaced, removed or exchanged, or with damaged bytes."""
    document = copy.deepcopy(document)
    for _ in range(generator.randint(1, 3)):
        found = [path for path in paths(document) if path]
        if not found:
            break
        *parents, key = generator.choice(found)
        parent = value_at(document, parents)
        if generator.random() < 0.2:
            del parent[key]
        else:
            parent[key] = copy.deepcopy(generator.choice(VALUES))
    text = json.dumps(document).encode()
    if generator.random() < 0.3:
        place = generator.randrange(len(text) + 1)
        text = text[:place] + generator.choice(LITERALS).encode() + text[place + generator.randrange(5) :]
    return text


def damaged_lines(lines: Sequence[str], generator: random.Random) -> bytes:
    """Some of the lines in any order, with numbers and bytes replaced."""
    text = "\n".join(generator.choices(lines, k=generator.randint(0, 15))) + "\n"
    for _ in range(generator.randint(0, 5)):
        found = [match.span() for match in re.finditer(r"[0-9.e+]+", text)] or [(0, 0)]
        start, end = generator.choice(found)
        text = text[:start] + generator.choice(NUMBERS) + text[end:]
    data = text.encode()
    return damaged(data, generator) if generator.random() < 0.3 else data
