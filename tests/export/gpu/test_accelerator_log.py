"""Logs of LiteRT's GPU accelerator, stored as it wrote them and damaged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from export.gpu.accelerator_log import parse
from tests.helpers.paths import ROOT

LOGS = ROOT / "tests" / "data" / "gpu_logs"


def stored(name: str) -> bytes:
    """A log of ai-edge-litert 2.3.0 with SwiftShader: for example of a model that is taken in part."""
    return (LOGS / f"{name}.err").read_bytes()


def test_refused_operators_have_the_delegates_reasons() -> None:
    log = parse(stored("split"))[0]
    assert (log.adapter, log.software) == ("SwiftShader Device (Subzero)", True)
    assert log.refused == (
        ("RESHAPE", 'Tensor "functional_1/lambda_1/Reshape" has bad input dims size: 6.'),
        ("RESHAPE", 'Tensor "functional_1/lambda_1/transpose" has bad input dims size: 6.'),
        ("TRANSPOSE", 'Tensor "functional_1/lambda_1/Reshape" has bad input dims size: 6.'),
    )
    assert (log.taken, log.partitions, log.program_error, log.error) == (3, 1, "", "")


def test_an_error_of_a_gpu_program_belongs_to_its_model() -> None:
    logs = parse(stored("program_error"))
    assert "unresolved value 'B'" in logs[0].program_error
    assert logs[1].program_error == "" and (logs[1].taken, logs[1].partitions) == (None, 1)


def test_without_an_adapter_the_log_says_why() -> None:
    log = parse(stored("no_adapter"))[0]
    assert (log.adapter, log.taken, log.partitions) == (None, None, 0)
    assert log.error == "Failed to initialize WebGPU environment: INTERNAL: No adapters found"


def test_a_real_adapter_is_not_software() -> None:
    line = b"Selected adapter: NVIDIA GPU (x), arch=ampere, vendor=nvidia, backend=Vulkan, adapterType=Discrete GPU\n"
    log = parse(line + b"\n=== model 0\n")[0]
    assert (log.adapter, log.software) == ("NVIDIA GPU (x)", False)


def test_names_in_a_model_do_not_reach_the_terminal() -> None:
    log = parse(
        b'\n=== model 0\nERROR: Following operations are not supported by GPU delegate:\nADD: "\x1b[2J" is bad\n'
        b"No operations will run on the GPU, and all 1 operations will run on the CPU.\n"
    )[0]
    assert log.refused == (("ADD", '"?[2J" is bad'),)
    assert log.taken == 0


@given(st.data())
def test_a_log_that_is_cut_off_anywhere_is_read(data: st.DataObject) -> None:
    text = stored(data.draw(st.sampled_from(["split", "program_error", "no_adapter"])))
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    for log in parse(text[start:end] + data.draw(st.binary(max_size=20))).values():
        assert log.taken is None or log.taken >= 0
