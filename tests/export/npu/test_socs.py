"""The SoCs that a user can name."""

from __future__ import annotations

import pytest

from ecbsr_mobile.errors import UsageError
from export.npu import socs


def test_parses_vendors_and_socs() -> None:
    assert socs.parse_socs("qualcomm") == tuple(socs.SOCS)
    assert socs.parse_socs("qualcomm:sm8650, SM8350,SM8650") == ("SM8650", "SM8350")
    with pytest.raises(UsageError, match="'SM1' is not known to qualcomm's compiler; use some of SA8255"):
        socs.parse_socs("qualcomm:SM1")
    with pytest.raises(UsageError, match="'apple' is not known; use qualcomm or"):
        socs.parse_socs("apple")
    for vendor in socs.NOT_CHECKED:
        with pytest.raises(UsageError, match=f"'{vendor}' cannot be checked: its compiler is not public"):
            socs.parse_socs(vendor)


def test_the_compiler_knows_every_soc() -> None:
    from ai_edge_litert.aot.vendors.qualcomm.target import SocModel

    assert set(socs.SOCS) == {model.value for model in SocModel} - {"ALL"}
