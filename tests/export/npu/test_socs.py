"""The SoCs that a user can name."""

from __future__ import annotations

import importlib

import pytest

from ecbsr_mobile.errors import UsageError
from export.npu import socs


def test_parses_vendors_and_socs() -> None:
    assert socs.parse_socs("qualcomm") == tuple(socs.QUALCOMM_SOCS)
    assert socs.parse_socs("qualcomm:sm8650, SM8350,SM8650") == ("SM8650", "SM8350")
    with pytest.raises(UsageError, match="'SM1' is not known to qualcomm's compiler; use some of SA8255"):
        socs.parse_socs("qualcomm:SM1")
    with pytest.raises(UsageError, match="'apple' is not known; use some of qualcomm, mediatek"):
        socs.parse_socs("apple")
    with pytest.raises(UsageError, match="'TENSOR_G1' is not known to google_tensor's compiler; use some of Tensor_G3"):
        socs.parse_socs("google_tensor:Tensor_G1")
    assert socs.parse_socs("mediatek:mt6989,MT6991,samsung,qualcomm:SM8650") == ("MT6989", "MT6991", "E9965", "SM8650")
    assert socs.parse_socs("google_tensor:tensor_g5") == ("Tensor_G5",)


def test_every_soc_has_one_vendor() -> None:
    for name, vendor in socs.VENDORS.items():
        assert [socs.vendor_of(soc) for soc in vendor.socs] == [name] * len(vendor.socs)
    assert [socs.vendor_of(vendor) for vendor in socs.VENDORS] == list(socs.VENDORS)


@pytest.mark.parametrize("vendor", socs.VENDORS)
def test_the_runtime_knows_every_soc(vendor: str) -> None:
    name = "intel_openvino" if vendor == "intel" else vendor
    target = importlib.import_module(f"ai_edge_litert.aot.vendors.{name}.target")
    described = socs.VENDORS[vendor]
    assert set(described.socs) == {model.value for model in target.SocModel} - {"ALL"}
    assert [manufacturer.value for manufacturer in target.SocManufacturer] == [described.manufacturer]
