"""The NPUs that models can be compiled for."""

from __future__ import annotations

from dataclasses import dataclass

from ecbsr_mobile.errors import UsageError
from ecbsr_mobile.utils.text import did_you_mean

QUALCOMM = "qualcomm"

QUALCOMM_SOCS = {
    "SA8255": "automotive",
    "SA8295": "automotive",
    "SM8350": "Snapdragon 888",
    "SM8450": "Snapdragon 8 Gen 1",
    "SM8475": "Snapdragon 8+ Gen 1",
    "SM8550": "Snapdragon 8 Gen 2",
    "SM8650": "Snapdragon 8 Gen 3",
    "SM8750": "Snapdragon 8 Elite",
    "SM8845": "Snapdragon 8 Gen 5",
    "SM8850": "Snapdragon 8 Elite Gen 5",
}
"""The compiler's name of each Qualcomm SoC → its marketing name."""


@dataclass(frozen=True)
class Vendor:
    """A vendor of NPUs: its plug-in is in ai-edge-litert, its compiler in an SDK that the user installs.

    Attributes:
        title: for tables.
        manufacturer: the plug-in's name of the vendor.
        plugin: its path in ai-edge-litert.
        sdk: the SDK's module.
        package: the package that brings the SDK.
        socs: the compiler's names of the SoCs (ai_edge_litert/aot/vendors/*/target.py).
    """

    title: str
    manufacturer: str
    plugin: str
    sdk: str
    package: str
    socs: tuple[str, ...]


_MEDIATEK = (
    "MT6853 MT6877 MT6878 MT6879 MT6886 MT6893 MT6895 MT6897 MT6983 MT6985 MT6989 MT6991 MT6993 MT8171 MT8188 MT8189"
)

VENDORS = {
    QUALCOMM: Vendor(
        "Qualcomm",
        "Qualcomm",
        "vendors/qualcomm/compiler/libLiteRtCompilerPlugin_Qualcomm.so",
        "onnxruntime_qnn",
        "onnxruntime-qnn",
        tuple(QUALCOMM_SOCS),
    ),
    "mediatek": Vendor(
        "MediaTek",
        "MediaTek",
        "vendors/mediatek/compiler/libLiteRtCompilerPlugin_MediaTek.so",
        "ai_edge_litert_sdk_mediatek",
        "ai-edge-litert-sdk-mediatek",
        tuple(_MEDIATEK.split()),
    ),
    "google_tensor": Vendor(
        "Google Tensor",
        "Google",
        "vendors/google_tensor/compiler/libLiteRtCompilerPlugin_google_tensor.so",
        "ai_edge_litert_sdk_google_tensor",
        "ai-edge-litert-sdk-google-tensor",
        ("Tensor_G3", "Tensor_G4", "Tensor_G5", "Tensor_G6"),
    ),
    "samsung": Vendor(
        "Samsung",
        "Samsung",
        "vendors/samsung/compiler/libLiteRtCompilerPlugin_Samsung.so",
        "ai_edge_litert_sdk_samsung",
        "ai-edge-litert-sdk-samsung-nightly",
        ("E9965",),
    ),
    "intel": Vendor(
        "Intel",
        "IntelOpenVINO",
        "vendors/intel_openvino/compiler/libLiteRtCompilerPlugin_IntelOpenvino.so",
        "ai_edge_litert_sdk_intel",
        "ai-edge-litert-sdk-intel",
        ("LNL", "PTL"),
    ),
}
"""The vendors, by the name that options give them."""


def vendor_of(key: str) -> str:
    """The name of the vendor of a SoC, Qualcomm if unknown; a vendor's own name stands for all its SoCs."""
    return next((name for name, vendor in VENDORS.items() if key == name or key in vendor.socs), QUALCOMM)


def parse_socs(text: str) -> tuple[str, ...]:
    """The SoCs in "qualcomm" (all of a vendor), "qualcomm:SM8650,SM8750" or "mediatek,qualcomm:SM8650", each once.

    Raises:
        UsageError: a vendor is not known, or its compiler does not know a SoC.
    """
    socs: list[str] = []
    vendor = ""
    for item in text.split(","):
        name, colon, soc = item.strip().partition(":")
        if vendor and not colon and name not in VENDORS:
            socs.append(_known_soc(vendor, name))
            continue
        vendor = name
        if vendor not in VENDORS:
            hint = did_you_mean(vendor, VENDORS)
            raise UsageError(f"NPU vendor {vendor!r} is not known; use some of {', '.join(VENDORS)}{hint}")
        socs += [_known_soc(vendor, soc)] if colon else VENDORS[vendor].socs
    return tuple(dict.fromkeys(socs))


def _known_soc(vendor: str, name: str) -> str:
    known = {soc.upper(): soc for soc in VENDORS[vendor].socs}
    soc = name.strip().upper()
    if soc not in known:
        names = known.values()
        hint = did_you_mean(soc, names)
        raise UsageError(f"SoC {soc!r} is not known to {vendor}'s compiler; use some of {', '.join(names)}{hint}")
    return known[soc]
