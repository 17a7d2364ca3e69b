"""Options: what is accepted, and the sentence for what is not."""

from __future__ import annotations

from android_bench.config import parse_delegates


def test_delegates_on_the_command_line() -> None:
    text = "cpu,gpu,nnapi:google-edgetpu,external:/a b.so:backend_type=htp,htp_performance_mode=2,nnapi"
    found = parse_delegates([text])
    assert [str(one) for one in found] == [
        "cpu",
        "gpu",
        "nnapi:google-edgetpu",
        "external:/a b.so:backend_type=htp,htp_performance_mode=2",
        "nnapi",
    ]
    assert found[3].options == (("backend_type", "htp"), ("htp_performance_mode", "2"))
