"""LiteRT's NPU path on a stand-in phone, with the real adb: each library that can be missing, and each refusal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

import android_bench
from android_bench import cli
from android_bench.config import Options
from android_bench.phone import device_info, litert_npu
from android_bench.phone.refused import Refused
from android_bench.results.types import Row
from ecbsr_mobile import tflite
from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.tflite.graph import Node
from export.npu import runner
from export.resolutions import sized
from tests.helpers.adb_device import TMP, Device, pushed_libraries
from tests.helpers.bench import QUICK
from tests.helpers.standin_litert import RELEASE
from tests.helpers.standin_tool import elf
from tests.helpers.tflite_models import plain_network

DISPATCH, PLUGIN = "libLiteRtDispatch_Qualcomm.so", "libLiteRtCompilerPlugin_Qualcomm.so"
QNN = ["libQnnHtp.so", "libQnnHtpPrepare.so", "libQnnHtpV75Skel.so", "libQnnHtpV75Stub.so", "libQnnSystem.so"]
OTHERS = ["libLiteRtDispatch_MediaTek.so", "libLiteRtCompilerPlugin_MediaTek.so", "libQnnHtpV73Skel.so"]
ALL = [DISPATCH, PLUGIN, *QNN, *OTHERS]


def folder_of(path: Path, names: Iterable[str] = ALL, release: str = RELEASE) -> Path:
    """A folder of LiteRT's tools and libraries."""
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        version = b"v2.42.0.251225135753_193295\0" if "Qnn" in name else f"release {release}\0".encode()
        (path / name).write_bytes(elf(0xA4 if "Skel" in name else 0x3E, version))
    (path / "benchmark_model").write_bytes(
        elf(extra=b"litert/tools/benchmark_litert_model.h\0", program="standin_litert.py")
    )
    return path


def compiled(path: Path, maker: str = "Qualcomm", soc: str = "SM8650") -> Path:
    """A file as LiteRT's compiler writes it: one node, a stamp, and the code behind the flatbuffer."""
    graph = plain_network("int8", size=(24, 16))
    node = Node("DISPATCH_OP", graph.inputs, graph.outputs, custom=True, custom_options=b"")
    stamp = maker.encode().ljust(125, b"\0") + soc.encode().ljust(125, b"\0")
    made = replace(graph, nodes=(node,), metadata={"LiteRtStamp": stamp})
    path.write_bytes(tflite.write(made) + bytes(5000))
    return path


@pytest.fixture
def row(phone: Device, model: Path) -> Callable[..., Row]:
    def call(folder: Path, path: Path = model, device: Device = phone, **options: object) -> Row:
        options = {"rounds": 1, "runs": 2, "limits": QUICK, "sizes": ["24x16"], "tool": str(folder), **options}
        found = android_bench.bench([path], devices=[device.serial], delegates=["npu"], **options)
        device.assert_clean()
        return found.results[0]

    return call


@pytest.mark.slow
def test_a_model_is_compiled_on_the_phone(phone: Device, row: Callable[..., Row], tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "the tools")
    phone.set_tool({"selected": [7, 8]})
    partly = row(folder, rounds=2)
    assert (partly.delegate, partly.status) == ("npu", "partial")
    assert (partly.nodes_delegated, partly.nodes_total, partly.partitions, partly.runs) == (7, 8, 2, 2)
    assert pushed_libraries(phone) == sorted([DISPATCH, PLUGIN, *QNN]), "each once, of this vendor and this Hexagon"
    run = phone.runs()[0]
    (used,) = {run["dispatch_library_path"], run["compiler_plugin_library_path"]}
    assert run["use_npu"] == "true"
    remote = f"{TMP}/ecbsr-bench/{Path(used).name}"
    assert any(f"LD_LIBRARY_PATH={remote}:{TMP}/ecbsr-bench ADSP_LIBRARY_PATH={remote} " in s for s in phone.shells)
    phone.set_tool({})
    whole = row(folder)
    assert (whole.status, whole.nodes_delegated, whole.nodes_total, whole.median_ms) == ("ok", 8, 8, 0.942)


@pytest.mark.slow
def test_a_file_that_was_compiled_at_the_desk(
    phone: Device, row: Callable[..., Row], tmp_path: Path, new_device: Callable[..., Device]
) -> None:
    folder = folder_of(tmp_path / "tools", [name for name in ALL if name not in (PLUGIN, "libQnnHtpPrepare.so")])
    path = compiled(tmp_path / "m-SM8650.tflite")
    found = row(folder, path)
    assert (found.status, found.nodes_delegated, found.nodes_total, found.median_ms) == ("ok", 1, 1, 0.942)
    assert PLUGIN not in pushed_libraries(phone)
    wrong_size = row(folder, path, sizes=["48x32"])
    assert (wrong_size.status, wrong_size.note) == (
        "failed",
        "it is compiled for 24x16; compile it for the other size",
    )
    for maker, soc in (("Qualcomm", "SM8750"), ("MediaTek", "MT6989")):
        other = row(folder, compiled(tmp_path / "other.tflite", maker, soc))
        assert other.status == "unsupported"
        assert other.note.startswith(
            f"the file is compiled for {maker} {soc}, and the phone has QTI SM8650-AC; compile"
        )
    pixel = new_device(**{"ro.soc.manufacturer": "Google", "ro.soc.model": "Tensor G5"})
    google = folder_of(tmp_path / "google", ["libLiteRtDispatch_GoogleTensor.so"])
    assert row(google, compiled(tmp_path / "g.tflite", "Google", "Tensor_G5"), pixel).status == "ok"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("onnxruntime_qnn") is None, reason="the extra [qualcomm] is not installed")
def test_what_qualcomms_compiler_writes(phone: Device, row: Callable[..., Row], int8: Path, tmp_path: Path) -> None:
    model = sized(int8.read_bytes(), (24, 16))
    runner.compile_models({str(int8): model}, ["SM8650", "SM8750"], keep=tmp_path)
    found = row(folder_of(tmp_path / "tools"), tmp_path / f"{int8.stem}-SM8650.tflite")
    assert (found.status, found.nodes_delegated) == ("ok", 1)
    assert row(folder_of(tmp_path / "tools"), tmp_path / f"{int8.stem}-SM8750.tflite").status == "unsupported"


@pytest.mark.slow
@pytest.mark.parametrize("missing", [DISPATCH, PLUGIN, *QNN])
def test_each_missing_library_is_named_before_anything_is_run(
    phone: Device, row: Callable[..., Row], tmp_path: Path, missing: str
) -> None:
    found = row(folder_of(tmp_path / "q", [name for name in ALL if name != missing]))
    kind = "skel" if "Skel" in missing else "library"
    note = f"{kind} missing: {missing}; give --tool a folder that has it beside the tool"
    assert (found.status, found.note) == ("failed", note)
    assert phone.runs() == [] and pushed_libraries(phone) == []


@pytest.mark.slow
def test_files_of_two_releases_are_refused(phone: Device, row: Callable[..., Row], tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "tools")
    folder_of(folder, [PLUGIN], "2.1.0")
    plugin = row(folder)
    assert (plugin.status, plugin.median_ms) == ("failed", None)
    assert plugin.note == (
        "wrong version: the compiler plug-in is not of the tool's release (Unsupported compiler plugin version); "
        "give --tool the files of one release"
    )
    folder_of(folder, [PLUGIN])
    folder_of(folder, [DISPATCH], "2.3.0")
    dispatch = row(folder)
    assert dispatch.status == "failed" and dispatch.note.startswith("wrong version: the dispatch library is not of the")
    (folder / "libQnnSystem.so").write_bytes(elf(extra=b"v2.43.0.251225135753_193295\0"))
    runtime = row(folder)
    assert runtime.status == "failed" and runtime.note.endswith("give --tool the files of one release")


@pytest.mark.slow
def test_no_node_on_the_npu_is_a_fallback(phone: Device, row: Callable[..., Row], tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "tools")
    phone.set_tool({"selected": [0, 8]})
    none = row(folder)
    assert (none.status, none.nodes_delegated, none.nodes_total, none.median_ms) == ("fallback", 0, 8, None)
    phone.set_tool({"refuses": "graph finalize failed"})
    refused = row(folder)
    assert (refused.status, refused.median_ms) == ("fallback", None)
    assert refused.note.startswith("the phone's NPU compiler refuses the model: Qualcomm graph finalize failed")


@pytest.mark.slow
def test_the_check_uses_the_npu_as_well(phone: Device, row: Callable[..., Row], int8: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "tools")
    (folder / "run_model").write_bytes(elf(program="standin_run_model.py"))
    found = row(folder, int8, check=True)
    assert found.check and found.check.largest == 0
    flags = json.loads((phone.root / "run_model").read_text())
    assert flags["accelerator"] == "npu" and flags["dispatch_library_dir"] == flags["compiler_plugin_library_dir"]
    desk = row(folder, compiled(tmp_path / "c.tflite"), check=True)
    assert desk.status == "ok" and desk.check and desk.check.note.startswith("not compared: ")


@pytest.mark.slow
def test_a_tool_or_a_phone_without_npu(
    new_device: Callable[..., Device], row: Callable[..., Row], tool: str, tmp_path: Path
) -> None:
    tflite_tool = row(Path(tool))
    assert tflite_tool.status == "unsupported" and tflite_tool.note.startswith("TFLite's tool has no npu delegate")
    other = row(folder_of(tmp_path / "tools"), device=new_device())
    assert (other.status, other.note) == ("unsupported", "LiteRT has no NPU library for Paper P1000; use gpu or cpu")


def test_the_soc_of_a_phone_is_that_of_a_file_or_not() -> None:
    def matches(compiled_for: tuple[str, str], soc: str) -> bool:
        return litert_npu._matches(compiled_for, soc)

    assert matches(("Qualcomm", "SM8650"), "QTI SM8650-AC") and matches(("Qualcomm", "SM8650"), "SM8650")
    assert matches(("Google", "Tensor_G3"), "Google Tensor G3") and matches(("Samsung", "E9965"), "Samsung s5e9965")
    assert not matches(("MediaTek", "MT6989"), "QTI SM8650") and not matches(("Qualcomm", "SM8650"), "kalama")


def test_a_phone_that_names_no_maker(tmp_path: Path) -> None:
    phone = device_info.parse_properties("[ro.board.platform]: [mt6989]\n[ro.product.cpu.abilist]: [x86_64]\n")
    folder = folder_of(tmp_path / "one", OTHERS[:2])
    found = {path.name: path for path in folder.iterdir()}
    assert [path.name for path in litert_npu.choose(found, phone, None)] == OTHERS[:2]
    both = {path.name: path for path in folder_of(tmp_path / "both").iterdir()}
    with pytest.raises(Refused, match="does not name the maker of its SoC; give --tool the libraries of one vendor"):
        litert_npu.choose(both, phone, None)


def test_the_options_of_npu() -> None:
    for tool in ("litert", "tflite"):
        with pytest.raises(
            UsageError, match=r"the delegate npu needs LiteRT's benchmark_model, .* --tool DIR with these"
        ):
            Options(delegates="npu", tool=tool)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="npu takes no argument; Qualcomm's own delegate is qnn"):
        Options(delegates="npu:htp", tool="folder")  # type: ignore[arg-type]


def test_a_dry_run_names_the_libraries(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(tmp_path / "tools", [DISPATCH, PLUGIN, *QNN])
    arguments = [str(model), "--device", "S", "--delegate", "npu", "--size", "24x16", "--dry-run", "--json", "--tool"]
    assert cli.main([*arguments, str(folder)]) == 0
    commands = json.loads(capsys.readouterr().out)["commands"]
    pushed = {command[5].rpartition("/")[2] for command in commands if command[3] == "push"}
    assert {DISPATCH, PLUGIN, *QNN} <= pushed
    (folder / DISPATCH).unlink()
    with pytest.raises(UsageError, match="does not name the maker"):
        cli.main([*arguments, str(folder)])
