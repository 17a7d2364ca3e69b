"""One run of a compiled piece on Qualcomm's x86 emulation, in a process of its own.

    python -P emulator_worker.py JOB.json

The job names the files of the context, the input and the output, and describes both tensors. Imports
onnxruntime with Qualcomm's provider, onnx and numpy alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

NAMES = {"int8": "INT8", "uint8": "UINT8", "int16": "INT16", "uint16": "UINT16", "float32": "FLOAT"}
"""numpy's name of a type → ONNX's."""

PROVIDER = "QNNExecutionProvider"


def model(job: dict[str, Any], context: bytes) -> bytes:
    """An ONNX model of one node that holds the compiled piece."""
    from onnx import TensorProto, helper

    ends = [
        [helper.make_tensor_value_info(one["name"], getattr(TensorProto, NAMES[one["dtype"]]), one["shape"])]
        for one in (job["input"], job["output"])
    ]
    node = helper.make_node(
        "EPContext",
        [job["input"]["name"]],
        [job["output"]["name"]],
        name=job["piece"],
        domain="com.microsoft",
        embed_mode=1,
        main_context=1,
        ep_cache_context=context,
        source="QNN",
        partition_name=job["piece"],
    )
    sets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(helper.make_graph([node], "compiled", *ends), opset_imports=sets).SerializeToString()


def main(path: str) -> None:
    """Run the job."""
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
