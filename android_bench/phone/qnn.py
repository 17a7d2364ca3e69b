"""Qualcomm's TFLite delegate: which libraries a phone needs, where they come from, and why it took no node.

The delegate and its runtime are Qualcomm's, under Qualcomm's license. Sources of the log lines: qualcomm/ai-hub-apps
issues 35, 46 and 158, qualcomm/fastrpc issue 379, chraac/llama.cpp issues 40 and 41, tensorflow/tensorflow issue 83344.
"""

from __future__ import annotations

import hashlib
import re
import threading
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ecbsr_mobile.utils.files import write_bytes
from ecbsr_mobile.utils.progress import Notify

from ..benchmark_tool import binary
from ..config import QNN_FETCH
from . import qnn_download
from .device_info import PhoneProperties
from .refused import Refused

DELEGATE = "libQnnTFLiteDelegate.so"

HEXAGON = {
    "QCM6490": 68,
    "SM7325": 68,
    "SM8350": 68,
    "SM8450": 69,
    "SM8475": 69,
    "SM8550": 73,
    "SM8635": 73,
    "SM8650": 75,
    "SM8750": 79,
    "SM8845": 81,
    "SM8850": 81,
}
"""The version of the Hexagon NPU by SoC, as Qualcomm AI Hub lists them. A phone with another SoC gets every version."""

_PLACES = (
    "*.so",
    "jni/arm64-v8a/*.so",
    "*/jni/arm64-v8a/*.so",
    "lib/aarch64-android/*.so",
    "lib/hexagon-v*/unsigned/*.so",
)
"""Where a folder, an unpacked .aar, several of them, and the SDK have the libraries for Android."""

_BACKENDS = {
    "htp": ("libQnnHtp.so", "libQnnHtpPrepare.so", "libQnnSystem.so"),
    "gpu": ("libQnnGpu.so", "libQnnSystem.so"),
    "dsp": ("libQnnDsp.so", "libQnnSystem.so"),
}
_ON_DSP = {"htp": "Htp", "dsp": "Dsp"}
_BUILD = re.compile(rb"v(\d{1,2}\.\d{1,3}\.\d{1,3})\.\d{12}")  # in "v2.42.0.251225135753_193295"
_SOC = re.compile(r"\b(?:SM|QCM|QCS|SA|SDM)\d{3,4}")
_QUALCOMM = ("qti", "qualcomm")

_CAUSES = (
    (
        r"(Skel|Stub) lib id mismatch: expected \(?v([\d.]+).{0,80}?detected \(?v([\d.]+)",
        "failed",
        "wrong version: the runtime is {2}, but the {1} that was loaded is {3}; give --qnn the files of one release",
    ),
    (
        r"(signature verif\w*[^\n]{0,20}|unsigned PD (?:is )?not supported|apps_dev_init failed|open_dev \S+ failed)",
        "unsupported",
        "the phone's DSP refuses unsigned code (unsigned PD): {1}; use qnn:gpu or gpu, or another phone",
    ),
    (
        r'(?:library|load(?:ing)?|open) "?[^"\s]*?(libcdsprpc\.so)"? not found',
        "unsupported",
        "library missing: the phone has no {1} to reach its DSP; use qnn:gpu or gpu",
    ),
    (
        r'library "[^"\n]*?(lib\w+\.so)" not found',
        "failed",
        "library missing: {1}; give --qnn a folder that has it",
    ),
    (
        r"(Unable to load Skel Library|Unable to load lib 0x80000406|Failed to load skel)",
        "failed",
        "skel missing: the DSP finds no skel library for it ({1}); give --qnn the complete runtime",
    ),
    (
        r"((?:HTP|DSP|NPU|GPU) backend is not supported)",
        "unsupported",
        "the phone does not offer this backend ({1}); use another one of htp, gpu and dsp",
    ),
)
"""Patterns of log lines, the status of the run, and its note; the first that matches is the cause."""


def find(source: str, temporary: Path, progress: Notify, stop: threading.Event) -> dict[str, Path]:
    """The libraries for Android in the folder `source`, or in the downloaded archives for `QNN_FETCH`, by name.

    Archives (.aar) are unpacked into the folder `temporary`.

    Raises:
        Refused: there are none, two archives are of different versions, or the download failed.
        Canceled: `stop` was set during a download.
    """
    folder = qnn_download.fetched(progress, stop) if source == QNN_FETCH else Path(source)
    if not folder.is_dir():
        raise Refused("failed", f"library missing: there is no folder {source}; give the right one")
    archives = sorted(folder.glob("*.aar"))
    versions = {
        archive.name: match[1] for archive in archives if (match := re.search(r"-(\d[\w.]*)\.aar$", archive.name))
    }
    if len(set(versions.values())) > 1:
        raise Refused("failed", f"wrong version: {_listed(versions)} in {folder}; keep the files of one release")
    libraries = {path.name: path for place in _PLACES for path in sorted(folder.glob(place))}
    for archive in archives:
        libraries |= _unpacked(archive, temporary)
    return libraries


def choose(available: Mapping[str, Path], backend: str, phone: PhoneProperties) -> tuple[Path, ...]:
    """The libraries that the `backend` needs on the phone, of those `available` by name.

    Raises:
        Refused: the phone is no Snapdragon, or a library is missing, for another ABI, or of another version.
    """
    maker = phone.soc.split()[:1]
    if _is_other_maker(phone.soc):
        raise Refused("unsupported", f"qnn is for Snapdragon phones; this one has {phone.soc} of {maker[0]}")
    names = [DELEGATE, *_BACKENDS[backend]]
    if backend in _ON_DSP:
        names += dsp_libraries(available, _ON_DSP[backend], phone.soc)
    missing = [name for name in names if name not in available]
    if missing:
        kind = "skel" if "Skel" in missing[0] else "library"
        raise Refused("failed", f"{kind} missing: {', '.join(missing)}; give --qnn a folder that has it")
    libraries = tuple(available[name] for name in dict.fromkeys(names))
    check_libraries(libraries, phone.abis)
    return libraries


def folder_name(libraries: Sequence[Path]) -> str:
    """A name for the folder of these libraries on the phone, which is that of their content."""
    digest = hashlib.sha256()
    for library in libraries:
        with library.open("rb") as file:
            digest.update(library.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return f"libraries-{digest.hexdigest()[:16]}"


def cause(log: str, option: str = "--qnn") -> tuple[str, str] | None:
    """The status and the note for a run without a delegated node, from its output and the system's log, if known.

    `option` is the one that names the libraries.
    """
    known = first_cause(_CAUSES, log)
    return known and (known[0], known[1].replace("--qnn", option))


def first_cause(causes: Iterable[tuple[str, str, str]], log: str) -> tuple[str, str] | None:
    """The status and the note of the first cause, a pattern with both, that the log shows."""
    for pattern, status, note in causes:
        match = re.search(pattern, log, re.IGNORECASE)
        if match:
            return status, note.format(match[0], *match.groups())
    return None


def _is_other_maker(soc: str) -> bool:
    """Whether the phone names a SoC of another maker; phones before Android 12 name their board only."""
    words = soc.lower().split()
    return len(words) > 1 and words[0] not in _QUALCOMM


def dsp_libraries(available: Mapping[str, Path], kind: str, soc: str) -> list[str]:
    """The libraries of the CPU's and the DSP's side by name, for the phone's Hexagon, or for each one if unknown."""
    model = _SOC.search(soc.upper())
    version = HEXAGON.get(model[0]) if model and kind == "Htp" else None
    stubs = re.compile(rf"libQnn{kind}V(\d+)(?:Stub|Skel)\.so")
    versions = {int(match[1]) for name in available if (match := stubs.fullmatch(name))}
    if version:
        versions = {version}
    if not versions:
        return [f"libQnn{kind}V*Skel.so"]  # reported as missing
    return [f"libQnn{kind}V{version}{side}.so" for version in sorted(versions) for side in ("Stub", "Skel")]


def check_libraries(libraries: Sequence[Path], abis: Sequence[str], option: str = "--qnn") -> None:
    """Check that libraries are for the phone's ABI, and Qualcomm's of one release; `option` names them.

    Raises:
        Refused: they are not.
    """
    versions = {}
    for library in libraries:
        content = library.read_bytes()
        abi = binary.elf_abi(content)
        if "Skel" not in library.name and abis and abi not in abis:  # a dry run knows no ABI
            raise Refused(
                "failed", f"{library.name} is for {abi or 'no known machine'}, but the phone supports {', '.join(abis)}"
            )
        builds = set(_BUILD.findall(content))
        if len(builds) == 1:
            versions[library.name] = builds.pop().decode()
    if len(set(versions.values())) > 1:
        raise Refused("failed", f"wrong version: {_listed(versions)}; give {option} the files of one release")


def _listed(versions: Mapping[str, str]) -> str:
    """One name of each version: "a.so is 2.42.0, b.so is 2.43.0"."""
    examples = {version: name for name, version in versions.items()}
    return ", ".join(f"{name} is {version}" for version, name in examples.items())


def _unpacked(archive: Path, temporary: Path) -> dict[str, Path]:
    target = temporary / archive.stem
    target.mkdir(parents=True, exist_ok=True)
    libraries = {}
    try:
        with zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                folder, _, name = member.filename.rpartition("/")
                if folder == "jni/arm64-v8a" and name.endswith(".so"):
                    if member.file_size > qnn_download.MAX_BYTES:
                        raise Refused("failed", f"{archive}: {name} has {member.file_size} bytes")
                    path = target / name
                    if not path.exists():
                        write_bytes(path, content.read(member))
                    libraries[name] = path
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise Refused("failed", f"cannot read {archive}: {error}; download it again") from None
    return libraries
