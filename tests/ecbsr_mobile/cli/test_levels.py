"""`--quiet` and `--verbose`: what each shows and hides, and how an unexpected error is reported."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import pytest
import torch

from ecbsr_mobile import __version__
from ecbsr_mobile.cli import common
from ecbsr_mobile.errors import EcbsrError
from ecbsr_mobile.utils import progress, verbosity

Main = Callable[[list[str] | None], int | None]


@pytest.fixture(autouse=True)
def _normal_afterwards() -> Iterator[None]:
    yield
    verbosity.set_level("normal")


def run(main: Main, argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        common.run(main, argv)
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def speaking(argv: list[str] | None) -> int:
    common.parser("ecbsr-test", "").parse_args(argv)
    common.print_line("result")
    common.notice("note")
    common.detail("detail")
    warnings.warn("warning", UserWarning, stacklevel=1)
    return common.report_failures(["broken.png"])


def test_quiet_leaves_the_result_and_the_errors(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, errors = run(speaking, ["--quiet"], capsys)
    assert (code, out) == (1, "result\n")
    assert errors == "1 image could not be used:\n  broken.png\n"


def test_without_either_notes_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, errors = run(speaking, [], capsys)
    assert out == "result\n"
    assert errors.splitlines()[:2] == ["note", "note: warning"] and "detail" not in errors


def test_verbose_shows_details_versions_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, errors = run(speaking, ["--verbose"], capsys)
    assert out == "result\n"
    assert errors.splitlines()[:3] == ["note", "detail", "note: warning"]
    assert f"ecbsr-mobile {__version__}, Python " in errors and "numpy " in errors
    assert " s" in errors.splitlines()[-1]


def test_both_together_are_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = run(speaking, ["--quiet", "--verbose"], capsys)
    assert code == 2 and "not allowed with" in errors


@pytest.mark.parametrize("levels", [["--quiet"], [], ["--verbose"]])
def test_an_error_is_shown_at_every_level(levels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: list[str] | None) -> int:
        common.parser("ecbsr-test", "").parse_args(argv)
        raise EcbsrError("the file is broken")

    code, _, errors = run(main, levels, capsys)
    assert code == 1 and errors.splitlines()[-1].endswith(": the file is broken")
    assert "Traceback" not in errors


@pytest.mark.parametrize(("levels", "shown"), [(["--quiet"], False), ([], False), (["--verbose"], True)])
def test_the_traceback_of_a_defect_is_shown_with_verbose(
    levels: list[str], shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: list[str] | None) -> int:
        common.parser("ecbsr-test", "").parse_args(argv)
        return int({}["key"])

    code, out, errors = run(main, levels, capsys)
    assert (code, out) == (1, "")
    assert "unexpected error, a defect of this program (KeyError: 'key')" in errors
    assert ("Traceback" in errors, "return int(" in errors, "--verbose shows where" in errors) == (
        shown, shown, not shown,
    )  # fmt: skip


def test_a_library_without_memory_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    def main(_argv: list[str] | None) -> int:
        return len(torch.zeros(2**50, dtype=torch.uint8))

    code, _, errors = run(main, [], capsys)
    assert code == 1 and errors.endswith(": not enough memory for this input; use a smaller one\n")


def test_a_bar_is_not_shown_with_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    verbosity.set_level("quiet")
    assert list(progress.bar([1, 2], "counting")) == [1, 2]
    assert capsys.readouterr().err == ""
