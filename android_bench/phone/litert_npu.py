"""LiteRT's NPU path on a phone: the dispatch library, the compiler plug-in and the vendor's runtime beside the tool.

LiteRT compiles a model on the phone with the plug-in, or runs a file that was compiled at the desk, and compares the
API version of both libraries with its own. Sources of the log lines: LiteRT 2.2.0, `litert/runtime/dispatch`,
`litert/runtime/compiled_model.cc`, `litert/compiler/plugin/compiler_plugin.cc`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from . import qnn
from .device_info import PhoneProperties
from .refused import Refused

_MAKERS = {
    "qti": "Qualcomm",
    "qualcomm": "Qualcomm",
    "mediatek": "MediaTek",
    "google": "GoogleTensor",
    "samsung": "Samsung",
}
"""The maker of the SoC, as phones report it, and the vendor in the names of LiteRT's libraries."""

_RUNTIME = "libLiteRt.so"  # of a tool that is not linked statically

_CAUSES = (
    (
        r"(Unsupported dispatch runtime version|Dispatch API with an unsupported version)",
        "failed",
        "wrong version: the dispatch library is not of the tool's release ({1}); give --tool the files of one release",
    ),
    (
        r"(Unsupported compiler plugin version)",
        "failed",
        "wrong version: the compiler plug-in is not of the tool's release ({1}); give --tool the files of one release",
    ),
    (r"Failed to load plugin at: \S+ with error: ([^\n]*)", "failed", "the compiler plug-in does not load: {1}"),
    (r"Plugin errs: ([^\n]+)", "fallback", "the phone's NPU compiler refuses the model: {1}; the CPU was timed"),
)


def choose(
    available: Mapping[str, Path], phone: PhoneProperties, compiled_for: tuple[str, str] | None
) -> tuple[Path, ...]:
    """The libraries that a phone needs, of those `available` by name.

    `compiled_for` is the maker and the SoC of a file that was compiled at the desk; None: the phone compiles.

    Raises:
        Refused: the phone is of no vendor, or not what the file is compiled for; or a library is missing, for another
            ABI, or of another version.
    """
    vendor = _vendor(available, phone.soc)
    if compiled_for and not _matches(compiled_for, phone.soc):
        raise Refused(
            "unsupported",
            f"the file is compiled for {' '.join(compiled_for)}, and the phone has {phone.soc or 'an unknown SoC'}; "
            "compile it for that with ecbsr-audit --npu VENDOR:SOC --keep DIR, or give the file before its compilation",
        )
    chosen = [_library(available, "Dispatch", vendor)]
    if not compiled_for:
        chosen.append(_library(available, "CompilerPlugin", vendor))
    if vendor == "Qualcomm":
        names = ["libQnnHtp.so", "libQnnSystem.so", *qnn.dsp_libraries(available, "Htp", phone.soc)]
        chosen += [
            _existing(available, name) for name in [*names, *(["libQnnHtpPrepare.so"] if not compiled_for else [])]
        ]
    libraries = tuple(chosen) + ((available[_RUNTIME],) if _RUNTIME in available else ())
    qnn.check_libraries(libraries, phone.abis, "--tool")
    return libraries


def cause(log: str) -> tuple[str, str] | None:
    """The status and the note for a run without a node on the NPU, from its output and the system's log, if known."""
    return qnn.first_cause(_CAUSES, log) or qnn.cause(log, "--tool")


def _vendor(available: Mapping[str, Path], soc: str) -> str:
    maker, *rest = soc.split() or [""]
    if rest and maker.lower() not in _MAKERS:
        raise Refused("unsupported", f"LiteRT has no NPU library for {soc}; use gpu or cpu")
    if maker.lower() in _MAKERS:
        return _MAKERS[maker.lower()]
    # Phones before Android 12 name their board only.
    known = [vendor for vendor in sorted(set(_MAKERS.values())) if _find(available, "Dispatch", vendor)]
    if len(known) != 1:
        raise Refused("failed", "the phone does not name the maker of its SoC; give --tool the libraries of one vendor")
    return known[0]


def _matches(compiled_for: tuple[str, str], soc: str) -> bool:
    """Whether the phone has that SoC, as far as it names it; "Tensor_G3" is "Tensor G3", "E9965" "s5e9965"."""
    maker, model = compiled_for
    phone = _plain(soc)
    words = soc.lower().split()
    is_vendor = len(words) < 2 or _plain(_MAKERS.get(words[0], "")).startswith(_plain(maker))
    return is_vendor and _plain(model) in phone


def _plain(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower())


def _find(available: Mapping[str, Path], kind: str, vendor: str) -> Path | None:
    """The library libLiteRt<kind>_<vendor>.so; releases differ in capitals and underscores."""
    wanted = _plain(f"libLiteRt{kind}{vendor}so")
    return next((path for name, path in sorted(available.items()) if _plain(name) == wanted), None)


def _library(available: Mapping[str, Path], kind: str, vendor: str) -> Path:
    return _find(available, kind, vendor) or _existing(available, f"libLiteRt{kind}_{vendor}.so")


def _existing(available: Mapping[str, Path], name: str) -> Path:
    if name not in available:
        what = "skel" if "Skel" in name else "library"
        raise Refused("failed", f"{what} missing: {name}; give --tool a folder that has it beside the tool")
    return available[name]
