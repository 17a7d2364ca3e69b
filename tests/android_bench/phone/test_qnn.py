"""Qualcomm's delegate on a stand-in phone, with the real adb: each library that can be missing, and each refusal."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

import android_bench
from android_bench import cli
from android_bench.config import Options
from android_bench.phone import qnn, qnn_download
from android_bench.phone.refused import Refused
from ecbsr_mobile.errors import UsageError
from tests.helpers.adb_device import TMP, Device, pushed_libraries
from tests.helpers.bench import QUICK
from tests.helpers.pages import served
from tests.helpers.standin_tool import elf

ALL = [
    *(
        "libQnnTFLiteDelegate.so",
        "libQnnHtp.so",
        "libQnnHtpPrepare.so",
        "libQnnSystem.so",
        "libQnnGpu.so",
        "libQnnDsp.so",
    ),
    *(f"libQnnHtpV{version}{side}.so" for version in (73, 75) for side in ("Stub", "Skel")),
    *("libQnnDspV66Stub.so", "libQnnDspV66Skel.so"),
]
HTP75 = ["libQnnHtp.so", "libQnnHtpPrepare.so", "libQnnHtpV75Skel.so", "libQnnHtpV75Stub.so", "libQnnSystem.so"]


def library(name: str, version: str = "2.42.0") -> bytes:
    machine = 0xA4 if "Skel" in name else 0x3E  # Hexagon; the CPU of the stand-in phone
    return elf(machine, f"{name} v{version}.251225135753_193295\0".encode())


def folder_of(path: Path, names: Iterable[str] = ALL) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).write_bytes(library(name))
    return path


@pytest.fixture
def row(phone: Device, model: Path, tool: str) -> Callable[..., android_bench.results.types.Row]:
    def call(folder: Path, delegate: str = "qnn", **options: object) -> android_bench.results.types.Row:
        options = {"rounds": 1, "runs": 2, "limits": QUICK, "tool": tool, "sizes": ["24x16"], **options}
        found = android_bench.bench([model], devices=[phone.serial], delegates=[delegate], qnn=str(folder), **options)
        phone.assert_clean()
        return found.results[0]

    return call


@pytest.mark.slow
def test_each_backend_gets_its_libraries_and_its_environment(phone: Device, row: Callable, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "the libs")
    phone.set_tool({"delegates": {"external": [7, 8]}})
    htp = row(folder, "qnn", rounds=2)
    assert (htp.delegate, htp.status, htp.nodes_delegated, htp.nodes_total, htp.partitions) == (
        "qnn:htp",
        "partial",
        7,
        8,
        1,
    )
    assert pushed_libraries(phone) == sorted([*HTP75, qnn.DELEGATE]), "each once, and of the phone's Hexagon only"
    (used,) = {run["external_delegate_path"].rpartition("/")[0] for run in phone.runs()}
    (script,) = {script for script in phone.shells if "ADSP_LIBRARY_PATH" in script}
    remote = f"{TMP}/ecbsr-bench/{used.rpartition('/')[2]}"
    assert f"LD_LIBRARY_PATH={remote}:{TMP}/ecbsr-bench ADSP_LIBRARY_PATH={remote} " in script
    assert phone.runs()[0]["external_delegate_options"] == "backend_type:htp"
    phone.set_tool({})
    gpu = row(folder, "qnn:gpu:gpu_precision=1,log_level=2")
    assert (gpu.delegate, gpu.status) == ("qnn:gpu:gpu_precision=1,log_level=2", "ok")
    assert phone.runs()[-1]["external_delegate_options"] == "backend_type:gpu;gpu_precision:1;log_level:2"
    assert row(folder, "qnn:dsp").status == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["aar", "unpacked", "sdk"])
def test_each_form_of_the_folder(phone: Device, row: Callable, tmp_path: Path, layout: str) -> None:
    root = tmp_path / "q"
    if layout == "aar":
        root.mkdir()
        for archive, names in (("qnn-litert-delegate", ALL[:1]), ("qnn-runtime", ALL[1:])):
            with zipfile.ZipFile(root / f"{archive}-2.42.0.aar", "w") as content:
                for name in names:
                    content.writestr(f"jni/arm64-v8a/{name}", library(name))
                content.writestr("classes.jar", b"")
    elif layout == "unpacked":
        folder_of(root / "delegate/jni/arm64-v8a", ALL[:1])
        folder_of(root / "runtime/jni/arm64-v8a", ALL[1:])
    else:
        folder_of(root / "lib/aarch64-android", [name for name in ALL if "Skel" not in name])
        folder_of(root / "lib/hexagon-v75/unsigned", ["libQnnHtpV75Skel.so"])
        folder_of(root / "lib/x86_64-linux-clang", ["libQnnHtp.so"])
    assert row(root).status == "ok"
    assert pushed_libraries(phone) == sorted([*HTP75, qnn.DELEGATE])


@pytest.mark.slow
def test_no_node_taken_is_a_fallback(phone: Device, row: Callable, tmp_path: Path) -> None:
    phone.set_tool({"delegates": {"external": [0, 8]}})
    taken = row(folder_of(tmp_path / "q"))
    assert (taken.status, taken.nodes_delegated, taken.nodes_total, taken.median_ms) == ("fallback", 0, 8, None)


@pytest.mark.slow
@pytest.mark.parametrize("missing", [qnn.DELEGATE, *HTP75])
def test_each_missing_library_is_named_before_anything_is_run(
    phone: Device, row: Callable, tmp_path: Path, missing: str
) -> None:
    found = row(folder_of(tmp_path / "q", [name for name in ALL if name != missing]))
    kind = "skel" if "Skel" in missing else "library"
    assert (found.status, found.note) == ("failed", f"{kind} missing: {missing}; give --qnn a folder that has it")
    assert phone.runs() == [] and pushed_libraries(phone) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behavior", "status", "note"),
    [
        ({"dsp": "signature"}, "unsupported", r"refuses unsigned code \(unsigned PD\): signature verif"),
        ({"dsp": "closed"}, "unsupported", r"refuses unsigned code \(unsigned PD\): apps_dev_init failed"),
        ({"hexagon": 73}, "failed", 'library missing: libQnnHtpV73Stub.so; give --qnn'),
    ],
)  # fmt: skip
def test_what_the_phone_refuses(
    phone: Device, row: Callable, tmp_path: Path, behavior: dict[str, object], status: str, note: str
) -> None:
    phone.set_tool(behavior)
    found = row(folder_of(tmp_path / "q"))
    assert found.status == status and found.median_ms is None
    assert re.search(note, found.note)


@pytest.mark.slow
def test_a_skel_that_the_dsp_does_not_find_or_of_another_version(phone: Device, row: Callable, tmp_path: Path) -> None:
    def damage(change: Callable[[Path], None]) -> None:
        """Change the skel on the phone once it was pushed, as another program that cleans up would."""

        def watch(event: str) -> None:
            if "ADSP_LIBRARY_PATH" in event:
                for skel in phone.path(TMP).rglob("*Skel.so"):
                    change(skel)

        phone.watcher = watch

    damage(Path.unlink)
    absent = row(folder_of(tmp_path / "q"))
    assert absent.status == "failed" and absent.note.startswith("skel missing: the DSP finds no skel library")
    damage(lambda skel: skel.write_bytes(library(skel.name, "2.21.0")) and None)
    other = row(folder_of(tmp_path / "q"))
    assert other.status == "failed" and other.note == (
        "wrong version: the runtime is 2.42.0.251225135753, but the Skel that was loaded is 2.21.0.251225135753; "
        "give --qnn the files of one release"
    )


@pytest.mark.slow
def test_files_of_two_releases_are_refused(row: Callable, phone: Device, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "q")
    (folder / "libQnnHtpV75Skel.so").write_bytes(library("libQnnHtpV75Skel.so", "2.43.0"))
    found = row(folder)
    assert found.status == "failed" and found.note.startswith("wrong version: ") and phone.runs() == []
    assert "is 2.42.0" in found.note and "libQnnHtpV75Skel.so is 2.43.0" in found.note


@pytest.mark.slow
def test_a_phone_of_another_maker(new_device: Callable[..., Device], model: Path, tool: str, tmp_path: Path) -> None:
    device = new_device(**{"ro.soc.manufacturer": "MediaTek", "ro.soc.model": "MT6989"})
    folder = folder_of(tmp_path / "q")
    (row,) = android_bench.bench(
        [model], devices=[device.serial], delegates="qnn", qnn=str(folder), sizes="24x16", tool=tool, limits=QUICK
    ).results
    assert (row.status, "MediaTek MT6989" in row.note) == ("unsupported", True)
    assert device.runs() == []


def test_an_unknown_snapdragon_gets_every_skel() -> None:
    found = {name: Path(name) for name in ALL}
    wanted = qnn.dsp_libraries(found, "Htp", "QTI SM9999")
    assert wanted == [f"libQnnHtpV{version}{side}.so" for version in (73, 75) for side in ("Stub", "Skel")]
    assert qnn.dsp_libraries(found, "Htp", "QTI SM8550") == wanted[:2]


def test_archives_of_two_releases_and_what_is_no_archive(tmp_path: Path) -> None:
    for name in ("qnn-litert-delegate-2.42.0.aar", "qnn-runtime-2.41.0.aar"):
        (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(Refused, match=r"^wrong version: .*delegate-2.42.0.aar is 2.42.0, qnn-runtime-2.41.0.aar"):
        qnn.find(str(tmp_path), tmp_path / "t", lambda _line: None, threading.Event())
    (tmp_path / "qnn-runtime-2.41.0.aar").unlink()
    with pytest.raises(Refused, match=r"^cannot read .*not a zip file; download it again$"):
        qnn.find(str(tmp_path), tmp_path / "t", lambda _line: None, threading.Event())


def test_a_download_names_the_license_and_keeps_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr(f"jni/arm64-v8a/{qnn.DELEGATE}", library(qnn.DELEGATE))
    names = [f"{name}-2.42.0.aar" for name in ("delegate", "runtime")]
    archives = dict.fromkeys(names, archive.getvalue())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lines: list[str] = []

    def find() -> dict[str, Path]:
        return qnn.find("fetch", tmp_path / "unpacked", lines.append, threading.Event())

    with served(tmp_path, archives) as (address, asked):
        monkeypatch.setattr(qnn_download, "ADDRESSES", tuple(address + name for name in names))
        assert find()[qnn.DELEGATE].read_bytes() == library(qnn.DELEGATE) and qnn_download.is_fetched()
        assert lines[0] == f"downloading {address}{names[0]}; {qnn_download.LICENSE}"
        find()
        assert asked == names, "each archive once"
        for path in (tmp_path / "cache").rglob("*.aar"):
            path.unlink()
        archives[names[0]] += b"\0"
        with pytest.raises(Refused, match=r"has the SHA-256 \w{64}, not \w{64} as at first"):
            find()
        assert not list((tmp_path / "cache").rglob("*.aar"))


@pytest.mark.slow
def test_a_dry_run_prints_everything(
    phone: Device,
    model: Path,
    tool: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = [str(model), "--device", "R58M", "--size", "24x16", "--tool", tool, "--dry-run", "--json"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match="a dry run downloads nothing"):
        cli.main([*arguments, "--delegate", "qnn", "--qnn", "fetch"])
    with pytest.raises(UsageError, match="library missing"):
        cli.main([*arguments, "--delegate", "qnn", "--qnn", str(tmp_path)])
    capsys.readouterr()
    assert cli.main([*arguments, "--delegate", "qnn", "--qnn", str(folder_of(tmp_path / "q"))]) == 0
    commands = json.loads(capsys.readouterr().out)["commands"]
    pushed = {command[5].rpartition("/")[2] for command in commands if command[3] == "push"}
    assert {qnn.DELEGATE, *HTP75, "libQnnHtpV73Skel.so"} <= pushed, "it does not know the phone's SoC"
    assert any("ADSP_LIBRARY_PATH=" in command[-1] and "backend_type:htp" in command[-1] for command in commands)


def test_qnn_and_its_folder_go_together() -> None:
    with pytest.raises(UsageError, match="needs Qualcomm's libraries: --qnn DIR"):
        Options(delegates="qnn")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="add --delegate qnn"):
        Options(qnn="folder")
    with pytest.raises(UsageError, match="qnn has no backend 'htb'; use htp, gpu or dsp"):
        Options(delegates="qnn:htb", qnn="folder")  # type: ignore[arg-type]
