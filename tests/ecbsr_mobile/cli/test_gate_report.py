"""JUnit XML against the structure that CI servers read, Markdown as markdown-it renders it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ecbsr_mobile.cli import common, gate_report
from ecbsr_mobile.cli.gate_report import Check, GateReport
from ecbsr_mobile.errors import UsageError

markdown_it = pytest.importorskip("markdown_it")

EVIL = "<b>&'\" | `x` *y* _z_ [a](b) #1 ]]> \x00\x1b[31m \\ ~~s~~ <!-- @me :x:"
REPORT = GateReport(
    "ecbsr-audit",
    f"the answer {EVIL}",
    [
        Check("a.tflite", "audit"),
        Check(EVIL, "CPU", "passed", "good"),
        Check(EVIL, EVIL, "failed", EVIL),
        Check("b.tflite", "audit", "error", "is truncated"),
        Check("c.tflite", "GPU", "skipped", "inconclusive"),
    ],
    ["file", "CPU"],
    [["a.tflite", "● good"], [EVIL, "a | b"]],
)


def test_junit_has_the_structure_that_ci_servers_read() -> None:
    root = ET.fromstring(gate_report.junit(REPORT))
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite" and suite.get("name") == "ecbsr-audit"
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 5, "failures": 1, "errors": 1, "skipped": 1}
    assert len(suite) == counts["tests"]
    kinds = {"failure": "failures", "error": "errors", "skipped": "skipped"}
    for case in suite:
        assert case.tag == "testcase" and set(case.attrib) == {"classname", "name"} and len(case) <= 1
        for element in case:
            assert element.tag in (*kinds, "system-out")
    for tag, attribute in kinds.items():
        assert len(suite.findall(f"testcase/{tag}")) == counts[attribute]
    (failure,) = suite.findall("testcase/failure")
    shown = EVIL.replace("\x00", "?").replace("\x1b", "?")
    assert failure.get("message") == failure.text == shown
    assert suite[1].get("classname") == shown


def test_markdown_shows_every_text_as_it_is() -> None:
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(
        gate_report.markdown(REPORT)
    )  # fmt: skip
    inline = [token for token in tokens if token.type == "inline"]
    for token in inline:
        kinds = {child.type for child in token.children}
        assert kinds <= {"text", "text_special"}, token.content
    texts = ["".join(child.content for child in token.children) for token in inline]
    shown = EVIL.replace("\x00", "?").replace("\x1b", "?")
    assert texts[:2] == ["❌ ecbsr-audit", f"the answer {shown}"]
    assert texts[2:5] == [
        f"❌ {shown}, {shown}: {shown}", "❌ b.tflite, audit: is truncated", "⚪ c.tflite, GPU: inconclusive",
    ]  # fmt: skip
    assert texts[5:] == ["file", "CPU", "a.tflite", "● good", shown, "a | b"]
    assert [token.type for token in tokens if token.type == "table_open"] == ["table_open"]
    assert not [token for token in tokens if token.type.startswith("html")]


def test_files_are_written_and_replaced_only_if_asked(tmp_path: Path) -> None:
    parser = common.parser("ecbsr-audit", "")
    gate_report.add_options(parser)
    common.add_overwrite_option(parser)
    junit, markdown = tmp_path / "new" / "junit.xml", tmp_path / "summary.md"
    arguments = ["--junit", str(junit), "--markdown", str(markdown)]
    options = parser.parse_args(arguments)
    gate_report.check_options(options)
    gate_report.write(options, REPORT)
    assert junit.read_text() == gate_report.junit(REPORT) and markdown.read_text() == gate_report.markdown(REPORT)
    with pytest.raises(UsageError, match="exists"):
        gate_report.check_options(options)
    both = parser.parse_args(["--junit", str(junit), "--markdown", str(junit), "--overwrite"])
    with pytest.raises(UsageError, match="would be written twice"):
        gate_report.check_options(both)
    options.overwrite = True
    link = tmp_path / "link"
    link.symlink_to(junit)
    with pytest.raises(UsageError, match=r"junit\.xml: is an input; choose another output"):
        gate_report.check_options(options, inputs=[link])
    with pytest.raises(UsageError, match=r"summary\.md: would be written twice"):
        gate_report.check_options(options, outputs=[tmp_path / "new" / ".." / "summary.md"])
    with pytest.raises(UsageError, match=r"a\.TFLITE: has the name of a model"):
        gate_report.check_options(parser.parse_args(["--junit", "a.TFLITE"]))
    link.unlink()
    gate_report.write(parser.parse_args([*arguments, "--overwrite"]), GateReport("ecbsr-audit", "nothing", []))
    assert markdown.read_text() == "### ✅ ecbsr-audit\n\nnothing\n"
    gate_report.write(parser.parse_args([]), REPORT)
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["junit.xml", "summary.md"]
