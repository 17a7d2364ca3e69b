"""`ecbsr-bench`: arguments, tables, JSON, exit codes."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from android_bench import cli
from android_bench.results import types
from android_bench.results.types import Check, Energy, Results
from ecbsr_mobile.errors import EcbsrError, UsageError
from tests.helpers.adb_device import Device
from tests.helpers.adb_servers import run_adb
from tests.helpers.bench import call, results
from tests.helpers.commands import argv
from tests.helpers.paths import ROOT
from tests.helpers.terminal import on_terminal, stays


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file for tests that replace the measurement: its content is not read."""
    path = tmp_path_factory.mktemp("model") / "m.tflite"
    path.touch()
    return str(path)


def test_the_command_prints_json_alone(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [
        str(files["float"]),
        "--size=24x16",
        "--threads=1,2",
        "--rounds=1",
        "--runs=2",
        "--json",
        "--out",
        str(out),
    ]
    ended = call(*arguments)
    assert ended.returncode == 0
    document = json.loads(ended.stdout)
    assert document == json.loads((out / "results.json").read_text())
    assert [row["threads"] for row in document["results"]] == [1, 2]
    assert len((out / "runs.jsonl").read_text().splitlines()) == 1 + 1 + 2  # settings, device, two runs
    assert (out / "results.csv").read_text().splitlines()[1].startswith("float,fp32,host,cpu,1,24x16,ok,")


def test_neither_the_command_nor_its_worker_loads_torch_or_tensorflow(files: dict[str, Path]) -> None:
    code = (
        "import sys, android_bench, android_bench.cli\n"
        f"android_bench.bench([{str(files['float'])!r}], rounds=1, runs=1)\n"
        "import android_bench.host.worker\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'tensorflow', 'onnx2tf', 'cv2')])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ended.stdout.strip() == "[]"


def test_bad_models_end_in_one_sentence(tmp_path: Path, files: dict[str, Path]) -> None:
    whole = files["float"].read_bytes()
    bad = {
        "missing": None,
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "text": b"this is not a model, it is a line of text",
    }
    for name, content in bad.items():
        path = tmp_path / f"{name}.tflite"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(EcbsrError, match=rf"{name}\.tflite") as error:
            cli.main([str(path), "--rounds", "1", "--runs", "1"])
        assert error.value.exit_code == 1 and "\n" not in str(error.value)
    ended = call(str(tmp_path / "missing.tflite"))
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)


def test_misuse_is_exit_code_2(files: dict[str, Path]) -> None:
    for arguments in (
        ["--size", "540"],
        ["--size", "0x4"],
        ["--threads", "0"],
        ["--threads", "1,two"],
        ["--delegate", "npu"],
        ["--delegate", "gpu:fast"],
        ["--delegate", "external:relative.so"],
        ["--rounds", "0"],
        ["--cores", "medium"],
        ["--fail-above", "1.05"],
        ["--baseline", "results.json", "--fail-above", "0.5"],
        ["--strict"],
        ["--allow-different"],
        ["--tool-sha256", "12"],
        ["--resume", str(files["float"].parent), "--device", "host"],
    ):
        with pytest.raises((UsageError, SystemExit)) as error:
            cli.main([str(files["float"]), *arguments])
        assert 2 in (getattr(error.value, "exit_code", None), getattr(error.value, "code", None)), arguments


@pytest.mark.parametrize(
    "option",
    [
        ["--device", "host"], ["--size", "360p"], ["--delegate", "cpu,gpu"], ["--threads", "4"], ["--cores", "big"],
        ["--rounds", "3"], ["--rounds", "6"], ["--runs", "5"], ["--tool", "litert"], ["--tool-sha256", "ab" * 32],
        ["--check"], ["--profile"], ["--energy"], ["--cooldown", "9"], ["--out", "elsewhere"], ["--list"],
        ["--dry-run"],
    ],
)  # fmt: skip
def test_resume_refuses_what_it_would_ignore(tmp_path: Path, option: list[str]) -> None:
    with pytest.raises(UsageError, match=rf"began with; remove {option[0]}, or start a new benchmark"):
        cli.main(["--resume", str(tmp_path), *option])


def test_resume_takes_options_of_the_results(tmp_path: Path) -> None:
    with pytest.raises(EcbsrError, match="needs the --out folder of a benchmark"):
        cli.main(["--resume", str(tmp_path), "--json", "--quiet", "--junit", str(tmp_path / "j.xml")])


def test_import_alone_refuses_what_it_would_ignore(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(UsageError, match=r"--import alone measures nothing: leave out --size, --energy, or name"):
        cli.main(["--import", str(tmp_path / "results.json"), "--energy", "--size", "270p"])


def test_a_list_may_be_given_in_parts(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ("--size", "24x16", "--size", "16x24,8x8")
    parts = ("--threads", "1", "--threads", "2", "--delegate", "cpu", "--delegate", "cpu:builtin")
    assert cli.main([str(files["float"]), *sizes, *parts, "--rounds", "1", "--runs", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    found = {(tuple(row["size"]), row["delegate"], row["threads"]) for row in rows}
    delegates = ("cpu", "cpu:builtin")
    assert found == set(itertools.product(((24, 16), (16, 24), (8, 8)), delegates, (1, 2)))


def test_fail_above_decides_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    before = tmp_path / "results.json"
    before.write_text(json.dumps(results(10.0).as_json()))
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: results(12.0))
    assert cli.main([model, "--baseline", str(before), "--quiet"]) == 0
    assert "1.200" in capsys.readouterr().out
    assert cli.main([model, "--baseline", str(before), "--quiet", "--fail-above", "1.05"]) == 1
    assert "more than 1.05" in capsys.readouterr().err
    arguments = [
        model,
        "--baseline",
        str(before),
        "--quiet",
        "--fail-above",
        "1.5",
        "--out",
        str(tmp_path / "out"),
    ]
    assert cli.main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "out/results.json").read_text())
    (compared,) = document["baseline"]
    assert (compared["ratio"], compared["failed"]) == (pytest.approx(1.2), False)
    assert "/baseline/0/ratio" in (tmp_path / "out/report.html").read_text()


def test_the_gate_is_written_for_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    before, junit, markdown = (tmp_path / name for name in ("results.json", "j.xml", "m.md"))
    before.write_text(json.dumps(results(10.0).as_json()))
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: results(12.0))
    arguments = [model, "--baseline", str(before), "--quiet", "--junit", str(junit), "--markdown", str(markdown)]
    assert cli.main([*arguments, "--fail-above", "1.05"]) == 1
    (suite,) = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    (failure,) = suite.iter("failure")
    assert "1.200 times the baseline, more than 1.05" in (failure.get("message") or "")
    assert markdown.read_text().startswith("### ❌ ecbsr-bench") and "12.0 ms" in markdown.read_text()
    with pytest.raises(UsageError, match="exists"):
        cli.main([*arguments, "--fail-above", "1.5"])
    assert cli.main([*arguments, "--fail-above", "1.5", "--overwrite"]) == 0
    assert next(ET.parse(junit).getroot().iter("testsuite")).get("failures") == "0"
    capsys.readouterr()


def test_on_a_terminal_there_is_a_bar_and_no_line_of_a_run(files: dict[str, Path]) -> None:
    arguments = [str(files["float"]), "--size=24x16", "--rounds=2", "--runs=1", "--threads=1,2"]
    code, got, _ = on_terminal(argv("ecbsr-bench", *arguments))
    assert code == 0
    shown = stays(got)
    assert not [line for line in shown if "round" in line or "INFO" in line]
    table = [line for line in shown if line.startswith(("model", "-----", "float"))]
    assert len(table) == 4 and max(map(len, table)) <= 80
    assert shown[-1] == "phones to measure on: ecbsr-bench --list"


def test_a_baseline_of_another_machine_is_refused_unless_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    before, out = tmp_path / "results.json", tmp_path / "out"
    phone = types.DeviceInfo("phone", "phone", "A phone")
    before.write_text(json.dumps(replace(results(10.0), devices={"phone": phone}).as_json()))
    now = replace(results(10.0), devices={"phone": replace(phone, model="Another")})
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: now)
    arguments = [model, "--baseline", str(before), "--fail-above", "1.05"]
    files = _gate_files(tmp_path)
    with pytest.raises(EcbsrError, match="phone is Another, and A phone in the baseline; --allow-different"):
        cli.main([*arguments, "--out", str(out), *files])
    assert "10.0 " in capsys.readouterr().out, "what was measured is shown"
    _assert_the_gate_says(tmp_path, "the baseline is not comparable: the model of phone is Another")
    assert cli.main([*arguments, "--allow-different"]) == 0
    assert "all the same: the model of phone is Another" in capsys.readouterr().err


def test_strict_fails_what_cannot_be_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    before = tmp_path / "results.json"
    before.write_text(json.dumps(results(10.0, spread=0.3).as_json()))
    arguments = [model, "--baseline", str(before), "--quiet", "--fail-above", "1.05"]
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: results(10.0, spread=0.3))
    assert cli.main(arguments) == 0 and cli.main([*arguments, "--strict"]) == 1
    printed = capsys.readouterr()
    assert "inconclusive" in printed.out and "too wide to decide about 1.05" in printed.err
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: results(10.0, 10.0, spread=0.001))
    before.write_text(json.dumps(results(10.0, spread=0.001).as_json()))
    assert cli.main(arguments) == 0 and cli.main([*arguments, "--strict"]) == 1
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: results(10.0, spread=0.001))
    before.write_text(json.dumps(results(10.0, 10.0, spread=0.001).as_json()))
    assert cli.main(arguments) == 0 and cli.main([*arguments, "--strict"]) == 1
    assert "not measured now" in capsys.readouterr().err


def test_the_table_shows_how_the_output_compares(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    checks = (Check(0, None), Check(3.25, 51.5), Check(note="not compared: a reason"), None)
    rows = [replace(row, check=check) for row, check in zip(results(1, 2, 3, 4).results, checks, strict=True)]
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: Results(tuple(rows), {}))
    assert cli.main([model, "--quiet"]) == 0
    header, _, *lines = capsys.readouterr().out.splitlines()
    assert header.endswith("  output")
    cells = ("identical", "51.5 dB, at most 3.25", "not compared", "-")
    assert all(line.endswith("  " + cell) for line, cell in zip(lines, cells, strict=True))


def test_a_baseline_without_a_matching_row_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    before = tmp_path / "results.json"
    before.write_text(json.dumps(results(10.0).as_json()).replace('"model": "m"', '"model": "other"'))
    monkeypatch.setattr("android_bench.session.start", lambda *_arguments: results(12.0))
    arguments = [model, "--baseline", str(before), "--quiet", "--fail-above", "1.05"]
    with pytest.raises(EcbsrError, match=r"results\.json has no latency of the same model"):
        cli.main([*arguments, *_gate_files(tmp_path)])
    _assert_the_gate_says(tmp_path, "the baseline has no latency of the same model")


def _gate_files(folder: Path) -> list[str]:
    return ["--junit", str(folder / "j.xml"), "--markdown", str(folder / "m.md")]


def _assert_the_gate_says(folder: Path, error: str) -> None:
    """The files for CI fail, as the exit code does, for this reason."""
    (suite,) = ET.parse(folder / "j.xml").getroot()
    (found,) = suite.iter("error")
    assert suite.get("errors") == "1" and (found.get("message") or "").startswith(error)
    assert (folder / "m.md").read_text().startswith("### ❌ ecbsr-bench") and "comparison" in (
        folder / "m.md"
    ).read_text()


def test_imported_rows_of_several_files_are_in_one_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("app", "second"):
        document = replace(results(10.0), devices={"phone": types.DeviceInfo("phone", "phone", f"of {name}")}).as_json()
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    out = tmp_path / "out"
    arguments = ["--import", str(tmp_path / "app.json"), "--import", str(tmp_path / "second.json"), "--json"]
    assert cli.main([*arguments, "--out", str(out)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["device"] for row in document["results"]] == ["phone", "phone (second)"]
    assert {name: info["model"] for name, info in document["devices"].items()} == {
        "phone": "of app",
        "phone (second)": "of second",
    }
    assert "of second" in (out / "report.html").read_text()
    assert json.loads((out / "results.json").read_text()) == document


def test_rows_of_three_machines_stay_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = []
    for name, ms in (("a", 10.0), ("b", 20.0), ("c", 30.0)):
        (row,) = results(ms).results
        document = Results(
            (replace(row, device="host", delegate="cpu"),),
            {"host": types.DeviceInfo("host", "host", f"CPU of {name}")},
            {"m": {"sha256": "ab" if name == "c" else name, "precision": "int8"}},
            failures={"R58M": f"of {name}"},
        ).as_json()
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(document))
        arguments += ["--import", str(tmp_path / name / "results.json")]
    assert cli.main([*arguments, "--json", "--quiet", "--out", str(tmp_path / "out")]) == 1
    document = json.loads(capsys.readouterr().out)
    rows = [(document["devices"][row["device"]]["model"], row["median_ms"]) for row in document["results"]]
    assert rows == [("CPU of a", 10), ("CPU of b", 20), ("CPU of c", 30)]
    assert [row["device"] for row in document["results"]] == ["host", "host (results)", "host (results 2)"]
    assert [document["models"][row["model"]]["sha256"] for row in document["results"]] == ["a", "b", "ab"]
    assert sorted(document["failures"].values()) == ["of a", "of b", "of c"]
    assert [answer["target"] for answer in document["answers"]] == [f"CPU of {name}, CPU" for name in "abc"]
    assert "this machine" not in (tmp_path / "out/report.html").read_text()


def test_one_model_of_two_files_keeps_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = {"m": {"sha256": "ab"}}
    for name, known in (("a", models), ("b", models), ("unknown", {})):
        (tmp_path / f"{name}.json").write_text(json.dumps(replace(results(10.0), models=known).as_json()))
    arguments = [part for name in ("a", "b", "unknown") for part in ("--import", str(tmp_path / f"{name}.json"))]
    assert cli.main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {row["model"] for row in document["results"]} == set(document["models"]) == {"m"}


def test_escape_sequences_of_an_imported_file_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J"
    (row,) = results(10.0).results
    info = types.DeviceInfo(evil, notes=(evil,))
    document = Results((replace(row, model=evil, device=evil, note=evil),), {evil: info}).as_json()
    (tmp_path / "app.json").write_text(json.dumps(document))
    assert cli.main(["--import", str(tmp_path / "app.json")]) == 0
    printed = capsys.readouterr()
    assert "?[2J" in printed.out and "?[2J" in printed.err
    assert "\x1b" not in printed.out + printed.err


def test_list_shows_phones_and_what_to_do(
    new_device: Callable[..., Device], capsys: pytest.CaptureFixture[str]
) -> None:
    device, other = new_device(), new_device()
    other.authorized = False
    for phone in (device, other):
        run_adb("connect", phone.serial)
    assert cli.main(["--list"]) == 0
    table = capsys.readouterr().out
    assert device.serial in table and "allow USB debugging" in table
    assert cli.main(["--list", "--json"]) == 0
    phones = {phone["serial"]: phone for phone in json.loads(capsys.readouterr().out)["phones"]}
    assert phones[device.serial]["state"] == "device" and phones[device.serial]["model"] == "Phone S 1"
    assert phones[other.serial]["state"] in ("unauthorized", "authorizing")


def test_quiet_leaves_out_notes_but_not_what_failed(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = results(5.0, None, 4.0).results
    noted = replace(first, note="a thing to know")
    failed = replace(second, status="crashed", note="ended by SIGSEGV")
    unmeasured = replace(third, energy=Energy(note="no figure: the phone is powered by AC"))
    measured = Results((noted, failed, unmeasured), {}, failures={"R58M": "R58M did not come back"})
    monkeypatch.setattr("android_bench.session.start", lambda *_: measured)
    assert cli.main([model, "--quiet"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "phone by gpu: ended by SIGSEGV (m 960x540)",
        "phone by gpu: energy: no figure: the phone is powered by AC (m 960x540)",
        "R58M did not come back",
    ]
    assert cli.main([model]) == 1
    assert "a thing to know" in capsys.readouterr().err
