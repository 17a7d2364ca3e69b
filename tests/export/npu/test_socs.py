"""The SoCs that a user can name."""

from __future__ import annotations

import importlib

import pytest

from ecbsr_mobile.errors import UsageError
from export.npu import socs


def test_parses_vendors_and_socs() -> None:
    assert socs.parse_socs("qualcomm") == tuple(socs.SOCS)
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
    assert [socs.vendor_of(soc) for vendor in socs.VENDORS for soc in socs.socs_of(vendor)] == [
        vendor for vendor in socs.VENDORS for _ in socs.socs_of(vendor)
    ]
    assert [socs.vendor_of(vendor) for vendor in socs.VENDORS] == list(socs.VENDORS)


@pytest.mark.parametrize("vendor", socs.OTHERS)
def test_the_runtime_knows_every_soc_of_other_vendors(vendor: str) -> None:
    name = "intel_openvino" if vendor == "intel" else vendor
    target = importlib.import_module(f"ai_edge_litert.aot.vendors.{name}.target")
    described = socs.OTHERS[vendor]
    assert set(described.socs) == {model.value for model in target.SocModel} - {"ALL"}
    assert [manufacturer.value for manufacturer in target.SocManufacturer] == [described.manufacturer]


def test_the_compiler_knows_every_soc() -> None:
    from ai_edge_litert.aot.vendors.qualcomm.target import SocModel

    assert set(socs.SOCS) == {model.value for model in SocModel} - {"ALL"}
