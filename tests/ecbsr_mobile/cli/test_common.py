"""What every command shares: JSON documents and versions."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import ecbsr_mobile
from ecbsr_mobile.cli import common, tables
from ecbsr_mobile.errors import EcbsrError


@dataclass(frozen=True)
class Score:
    psnr: float
    sizes: tuple[int, int]


def test_json_documents_have_a_schema_and_only_json_values(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_json(
        {"each": [Score(float("inf"), (1, 2)), Score(np.float64(0.1), (3, 4))], "path": Path("a", "b.png")}
    )
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document == {
        "schema": 1,
        "each": [{"psnr": None, "sizes": [1, 2]}, {"psnr": 0.1, "sizes": [3, 4]}],
        "path": str(Path("a", "b.png")),
    }
    common.print_json({"path": Path(os.fsdecode(b"a\xff.png")), "names": {os.fsdecode(b"\xfe"): [1]}})
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "path": r"a\xff.png", "names": {r"\xfe": [1]}}
    common.print_json(Score(30.5, (5, 6)))
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "psnr": 30.5, "sizes": [5, 6]}


def test_a_parser_prints_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        common.parser("ecbsr-train", "").parse_args(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"ecbsr-train {ecbsr_mobile.__version__}\n"


EVIL = "a\x1b[2J\x9b31m\u202eb"


def test_no_control_character_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_argv: object) -> None:
        raise EcbsrError(f"cannot read {EVIL}\udcff")

    common.notice(EVIL)
    common.print_line(f"{EVIL}\nsecond")
    tables.print_table([EVIL], [[EVIL]], EVIL)
    with pytest.raises(SystemExit):
        common.parser("ecbsr-train", "").parse_args([EVIL])
    with pytest.raises(SystemExit):
        common.run(fail)
    printed = capsys.readouterr()
    for text, count in ((printed.out, 4), (printed.err, 3)):
        assert text.count("a?[2J?31m?b") == count
        assert all(line.isprintable() for line in text.split("\n"))
    assert "\nsecond\n" in printed.out
