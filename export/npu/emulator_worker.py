"""Run a compiled partition in Qualcomm's x86 emulator; the program of the process that `emulator.emulate` starts.

    python -P emulator_worker.py JOB.json

The job names the files of the context, the input and the output, and describes both tensors. Imports onnxruntime with
Qualcomm's execution provider, onnx and NumPy only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ONNX_TYPES = {"int8": "INT8", "uint8": "UINT8", "int16": "INT16", "uint16": "UINT16", "float32": "FLOAT"}
"""NumPy's name of a type → ONNX's."""

PROVIDER = "QNNExecutionProvider"


def model(job: dict[str, Any], context: bytes) -> bytes:
    """An ONNX model whose only node contains the compiled partition."""
    from onnx import TensorProto, helper

    types = {name: getattr(TensorProto, onnx_name) for name, onnx_name in ONNX_TYPES.items()}
    inputs_and_outputs = [
        [helper.make_tensor_value_info(tensor["name"], types[tensor["dtype"]], tensor["shape"])]
        for tensor in (job["input"], job["output"])
    ]
    node = helper.make_node(
        "EPContext",
        [job["input"]["name"]],
        [job["output"]["name"]],
        name=job["partition"],
        domain="com.microsoft",
        embed_mode=1,
        main_context=1,
        ep_cache_context=context,
        source="QNN",
        partition_name=job["partition"],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph([node], "compiled", *inputs_and_outputs)
    return helper.make_model(graph, opset_imports=opsets).SerializeToString()


def main(path: str) -> None:
    """Run the job in the file `path`."""
    import numpy as np
    import onnxruntime
    import onnxruntime_qnn

    job = json.loads(Path(path).read_text(encoding="utf-8"))
    onnxruntime.register_execution_provider_library(PROVIDER, onnxruntime_qnn.get_library_path())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == PROVIDER]
    options.add_provider_for_devices(devices[:1], {"backend_path": onnxruntime_qnn.get_qnn_htp_path()})
    session = onnxruntime.InferenceSession(model(job, Path(job["context"]).read_bytes()), options)
    image = np.fromfile(job["input"]["file"], job["input"]["dtype"]).reshape(job["input"]["shape"])
    (result,) = session.run(None, {job["input"]["name"]: image})
    np.ascontiguousarray(result).tofile(job["output"]["file"])


if __name__ == "__main__":
    main(sys.argv[1])
