"""Options: what is accepted, and the error for what is not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from android_bench.config import Delegate, Limits, Options, parse_delegates
from ecbsr_mobile.errors import UsageError


def test_delegates_on_the_command_line() -> None:
    text = "cpu,gpu,nnapi:google-edgetpu,external:/a b.so:backend_type=htp,htp_performance_mode=2,nnapi"
    delegates = parse_delegates([text])
    assert [str(delegate) for delegate in delegates] == [
        "cpu",
        "gpu",
        "nnapi:google-edgetpu",
        "external:/a b.so:backend_type=htp,htp_performance_mode=2",
        "nnapi",
    ]
    assert delegates[3].options == (("backend_type", "htp"), ("htp_performance_mode", "2"))


def test_the_kernel_of_the_cpu_and_the_precision_of_the_gpu_are_part_of_the_key() -> None:
    parsed = parse_delegates(["cpu,cpu:xnnpack,cpu:builtin,gpu:fp16,gpu,gpu:fp32"])
    assert [str(delegate) for delegate in parsed] == ["cpu", "cpu:builtin", "gpu", "gpu:fp32"]
    with pytest.raises(UsageError, match=r"^delegate 'gpu:int8': use gpu:fp16, which is gpu, or gpu:fp32$"):
        parse_delegates(["gpu:int8"])


names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
values = st.from_regex(r"[a-z0-9 ./]{1,8}", fullmatch=True)
delegates = (
    st.just(Delegate("cpu"))
    | st.just(Delegate("cpu", "builtin"))
    | st.just(Delegate("gpu", "fp32"))
    | st.builds(Delegate, st.just("nnapi"), st.just("") | names)
    | st.builds(
        Delegate,
        st.just("external"),
        values.map("/{}".format),
        st.lists(st.tuples(names, values), max_size=3).map(tuple),
    )
)


@given(st.lists(delegates, min_size=1, max_size=4, unique=True))
def test_delegates_are_parsed_from_their_text(expected: list[Delegate]) -> None:
    assert parse_delegates([",".join(map(str, expected))]) == tuple(expected)


def test_options_are_parsed_and_each_value_is_kept_once() -> None:
    options = Options(
        devices="host",  # type: ignore[arg-type]
        sizes=["540p", "960x540", (33, 17)],  # type: ignore[arg-type]
        delegates=["cpu,gpu", "cpu"],  # type: ignore[arg-type]
        threads=[4, "4", 1],  # type: ignore[arg-type]
        cores="0xF0",
    )
    assert options == Options(("host",), ((960, 540), (33, 17)), (Delegate("cpu"), Delegate("gpu")), (4, 1), cores="f0")


@pytest.mark.parametrize(
    "options",
    [
        {"devices": ()},
        {"devices": ("",)},
        {"sizes": ["540"]},
        {"sizes": [(0, 4)]},
        {"delegates": ["npu"]},
        {"delegates": ["external:relative.so"]},
        {"delegates": ["external:/a.so:option"]},
        {"threads": [0]},
        {"threads": ["two"]},
        {"threads": [65]},
        {"cores": "medium"},
        {"cores": "00"},
        {"rounds": 0},
        {"iterations": -1},
    ],
)
def test_invalid_options_are_misuse(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"use|needs|options are"):
        Options(**options)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_invalid_limits_are_misuse(value: float) -> None:
    with pytest.raises(UsageError, match="the limit run is"):
        Limits(run=value)
