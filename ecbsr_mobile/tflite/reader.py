"""Read a `.tflite` file, even an invalid one, into a `Graph`.

Source of the format: the TFLite schema, version 3 (flatbuffers with the identifier "TFL3").
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ..errors import EcbsrError
from .graph import DTYPES, Graph, Node, Quantization, Signature, Tensor, short_name

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
_NAME_FIELD = 10  # where the vtable of a tensor has the offset of its name
MAX_BYTES = 2**31 - 1  # flatbuffers address their content with 31 bits

OPERATOR_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
TYPES = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
NEEDED_INPUTS = {
    "CONV_2D": 2,
    "DEPTHWISE_CONV_2D": 2,
    "FULLY_CONNECTED": 2,
    "TRANSPOSE_CONV": 3,
    **dict.fromkeys(("ADD", "DIV", "MAXIMUM", "MINIMUM", "MUL", "PAD", "PRELU", "SUB", "TRANSPOSE"), 2),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SPLIT"), 2),
}
"""How many of an operator's inputs cannot be absent: LiteRT crashes without one."""
_OTHERS = {
    b"version ": "a Git LFS pointer, not the file; get the file itself (git lfs pull)",
    b"<": "a web page, not the file; download the file itself",
    b"PK": "an archive; unpack it and name the .tflite file in it",
}
"""First bytes of what people take for a `.tflite` file → what it is, and what to do."""


def read(source: bytes | str | os.PathLike[str], name: str = "the model") -> Graph:
    """Read a `.tflite` file, or the bytes of one, which error messages call `name`.

    Constants of the graph are read-only views of the bytes.

    Raises:
        EcbsrError: there is no such file, or it is not a complete `.tflite` file.
    """
    data, name = (source, name) if isinstance(source, bytes) else (read_bytes(source), str(source))
    _check_kind(data, name)
    try:
        return _Reader(data).graph()
    except _Corrupt as error:
        raise EcbsrError(f"{name} cannot be read: {error}") from None
    except (struct.error, ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError):
        # The Python reader of flatbuffers has no verifier: an invalid offset raises one of these.
        raise EcbsrError(f"{name} is truncated or corrupt; copy or convert it again") from None


def with_text_names(data: bytes) -> bytes:
    """A file that `read` accepts, with "?" for each byte of a tensor's name that is not UTF-8.

    LiteRT runs it as it is, too, but its Python interpreter cannot describe such a tensor.
    """
    subgraph = schema.Model.GetRootAs(data, 0).Subgraphs(0)
    tables = [subgraph.Tensors(number) for number in range(subgraph.TensorsLength())]
    foreign = [table for table in tables if not _is_text(table.Name() or b"")]
    if not foreign:
        return data
    cleaned = bytearray(data)
    for table in foreign:
        name = table.Name()
        start = table._tab.Vector(table._tab.Offset(_NAME_FIELD))
        cleaned[start : start + len(name)] = name.decode("ascii", "replace").replace("\ufffd", "?").encode()
    return bytes(cleaned)


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_bytes(source: str | os.PathLike[str]) -> bytes:
    """The bytes of a `.tflite` file; of a file of another kind, only the first 8.

    Raises:
        EcbsrError: it cannot be read.
    """
    path = Path(source)
    if path.is_dir():
        raise EcbsrError(f"{path} is a folder; name a .tflite file")
    if not path.exists():
        raise EcbsrError(f"{path}: no such file; name a .tflite file")
    if not path.is_file():
        raise EcbsrError(f"{path} is not a regular file; name a .tflite file")
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if start[4:] == IDENTIFIER and path.stat().st_size > MAX_BYTES:
                raise EcbsrError(f"{path} has {path.stat().st_size} bytes; a .tflite file has at most {MAX_BYTES}")
            # Any other file may be huge, and its start is enough for an error message.
            return start + file.read() if start[4:] == IDENTIFIER else start
    except OSError as error:
        raise EcbsrError(f"cannot read {path}: {error.strerror}") from None


def _check_kind(data: bytes, name: str) -> None:
    if not data:
        raise EcbsrError(f"{name} is empty; a .tflite file is needed")
    if data[4:8] != IDENTIFIER:
        hint = "an ONNX model; convert it first" if name.lower().endswith(".onnx") else "not a .tflite file"
        hint = next((other for start, other in _OTHERS.items() if data.startswith(start)), hint)
        raise EcbsrError(f"{name} is {hint} (it starts with the bytes {data[:8].hex(' ')})")


class _Corrupt(Exception):
    """Why a file is invalid or not supported, as the end of a sentence."""


class _Reader:
    """Reads the first subgraph of a model."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.model = schema.Model.GetRootAs(data, 0)
        # Offsets may point anywhere, so a small malicious file can claim to be endless. Of a valid file, each byte is
        # read about once: its tables share few vectors.
        self.budget = 8 * len(data) + 2**20

    def graph(self) -> Graph:
        model = self.model
        if model.Version() != SCHEMA_VERSION:
            raise _Corrupt(f"it has schema version {model.Version()}, only {SCHEMA_VERSION} is supported")
        self.spend(4 * model.SubgraphsLength())
        if model.SubgraphsLength() < 1:
            raise _Corrupt("it contains no graph")
        subgraph = model.Subgraphs(0)
        tensors = self.each(subgraph.TensorsLength(), subgraph.Tensors, self.tensor)
        codes = self.each(model.OperatorCodesLength(), model.OperatorCodes, self.code)
        nodes = self.each(subgraph.OperatorsLength(), subgraph.Operators, lambda node: self.node(node, codes))
        graph = Graph(
            tensors=tuple(tensors),
            nodes=tuple(nodes),
            inputs=self.ints(subgraph.InputsLength(), subgraph.InputsAsNumpy),
            outputs=self.ints(subgraph.OutputsLength(), subgraph.OutputsAsNumpy),
            signature=self.signature(),
            metadata=dict(self.each(model.MetadataLength(), model.Metadata, self.metadata)),
            description=self.text(model.Description()),
            subgraphs=model.SubgraphsLength(),
        )
        _check_indices(graph)
        return graph

    def spend(self, count: int) -> None:
        self.budget -= count
        if self.budget < 0:
            raise _Corrupt("it claims more content than it has bytes; it is corrupt")

    def each(self, length: int, item: Callable[[int], Any], convert: Callable[[Any], Any]) -> list[Any]:
        self.spend(16 * length)
        return [convert(item(i)) for i in range(length)]

    def ints(self, length: int, values: Callable[[], Any]) -> tuple[int, ...]:
        self.spend(4 * length)
        return tuple(values().tolist()) if length else ()

    def text(self, value: bytes | None) -> str:
        self.spend(len(value or b""))
        return (value or b"").decode("utf-8", "replace")

    def tensor(self, table: Any) -> Tensor:
        kind = TYPES.get(table.Type(), f"TYPE_{table.Type()}")
        name = self.text(table.Name())
        label = short_name(name)
        shape = self.ints(table.ShapeLength(), table.ShapeAsNumpy)
        signature = self.ints(table.ShapeSignatureLength(), table.ShapeSignatureAsNumpy) or None
        if table.ExternalBuffer():
            raise _Corrupt(f"tensor {label} keeps its values in another file, which is not supported")
        if any(size < 0 for size in shape) or (signature and len(signature) != len(shape)):
            raise _Corrupt(f"tensor {label} has the shape {list(shape)} with signature {signature}; it is corrupt")
        quantization, details = self.quantization(table.Quantization(), label)
        sparsity = schema.SparsityParametersT.InitFromObj(table.Sparsity()) if table.Sparsity() else None
        data = self.buffer(table.Buffer())
        if data is not None and kind in DTYPES and sparsity is None:
            if data.nbytes != math.prod(shape) * DTYPES[kind].itemsize:
                raise _Corrupt(f"constant {label} of shape {list(shape)} has {data.nbytes} bytes; it is corrupt")
            data = data.view(DTYPES[kind]).reshape(shape)
        return Tensor(
            name=name,
            shape=shape,
            dtype=DTYPES.get(kind, np.dtype(np.uint8)),
            data=data,
            quantization=quantization,
            signature=signature if signature and -1 in signature else None,
            kind="" if kind in DTYPES else kind,
            variable=bool(table.IsVariable()),
            sparsity=sparsity,
            quantization_details=details,
        )

    def quantization(self, table: Any, label: str) -> tuple[Quantization | None, Any]:
        if table is None:
            return None, None
        details = schema.QuantizationParametersT.InitFromObj(table).details
        if table.ScaleIsNone() or not table.ScaleLength():
            return None, details
        self.spend(4 * table.ScaleLength() + 8 * table.ZeroPointLength())
        scale = np.array(table.ScaleAsNumpy(), np.float32)
        zero_point = np.array(table.ZeroPointAsNumpy(), np.int64) if table.ZeroPointLength() else np.zeros(1, np.int64)
        if len(zero_point) not in (1, len(scale)):
            raise _Corrupt(f"tensor {label} has {len(scale)} scales and {len(zero_point)} zero points; it is corrupt")
        return Quantization(scale, np.resize(zero_point, scale.shape), table.QuantizedDimension()), details

    def buffer(self, index: int) -> np.ndarray | None:
        """The bytes of a buffer; None for an empty one, which means "not a constant"."""
        if not 0 <= index < self.model.BuffersLength():
            raise _Corrupt(f"a tensor refers to buffer {index}, which is missing; it is corrupt")
        table = self.model.Buffers(index)
        if table.Offset() > 1:  # in files above 2 GB, the content follows the flatbuffer
            return np.frombuffer(self.data, np.uint8, table.Size(), table.Offset())
        return table.DataAsNumpy() if table.DataLength() else None

    def code(self, table: Any) -> tuple[str, int, bool]:
        # The deprecated 8-bit field contains a placeholder for codes above 127.
        code = max(table.BuiltinCode(), table.DeprecatedBuiltinCode())
        if code == schema.BuiltinOperator.CUSTOM:
            return self.text(table.CustomCode()), table.Version(), True
        return OPERATOR_NAMES.get(code, f"BUILTIN_{code}"), table.Version(), False

    def node(self, table: Any, codes: list[tuple[str, int, bool]]) -> Node:
        operator, version, custom = codes[table.OpcodeIndex()]
        options = schema.BuiltinOptionsCreator(table.BuiltinOptionsType(), table.BuiltinOptions())
        custom_options = None
        if table.LargeCustomOptionsOffset() > 1:
            start, size = table.LargeCustomOptionsOffset(), table.LargeCustomOptionsSize()
            self.spend(size)
            custom_options = self.data[start : start + size]
        elif not table.CustomOptionsIsNone():
            self.spend(table.CustomOptionsLength())
            custom_options = table.CustomOptionsAsNumpy().tobytes()
        return Node(
            operator=operator,
            inputs=self.ints(table.InputsLength(), table.InputsAsNumpy),
            outputs=self.ints(table.OutputsLength(), table.OutputsAsNumpy),
            version=version,
            options=options or schema.BuiltinOptions2Creator(table.BuiltinOptions2Type(), table.BuiltinOptions2()),
            custom_options=custom_options,
            custom=custom,
            intermediates=self.ints(table.IntermediatesLength(), table.IntermediatesAsNumpy),
        )

    def signature(self) -> Signature | None:
        for table in self.each(self.model.SignatureDefsLength(), self.model.SignatureDefs, lambda table: table):
            if table.SubgraphIndex() == 0:
                inputs = self.each(table.InputsLength(), table.Inputs, self.named)
                outputs = self.each(table.OutputsLength(), table.Outputs, self.named)
                return Signature(self.text(table.SignatureKey()), dict(inputs), dict(outputs))
        return None

    def named(self, table: Any) -> tuple[str, int]:
        return self.text(table.Name()), table.TensorIndex()

    def metadata(self, table: Any) -> tuple[str, bytes]:
        content = self.buffer(table.Buffer())
        self.spend(0 if content is None else content.nbytes)
        return self.text(table.Name()), b"" if content is None else content.tobytes()


def _check_indices(graph: Graph) -> None:
    count = len(graph.tensors)
    for number, node in enumerate(graph.nodes):
        if not all(-1 <= i < count for i in node.inputs) or not all(0 <= i < count for i in node.outputs):
            raise _Corrupt(f"node {number} ({node.label}) refers to a tensor that is missing; it is corrupt")
        needed = 0 if node.custom else NEEDED_INPUTS.get(node.operator, 0)
        if -1 in node.inputs[:needed]:
            place = node.inputs.index(-1)
            raise _Corrupt(f"node {number} ({node.label}) lacks its input {place}, which it needs; it is corrupt")
        if any(graph.tensors[i].data is not None for i in node.outputs):
            raise _Corrupt(f"node {number} ({node.label}) writes to a constant; it is corrupt")
    named = [*graph.signature.inputs.values(), *graph.signature.outputs.values()] if graph.signature else []
    if not all(0 <= i < count for i in (*graph.inputs, *graph.outputs, *named)):
        raise _Corrupt("its inputs or outputs refer to a tensor that is missing; it is corrupt")
    if any(graph.tensors[i].data is not None for i in graph.inputs):
        raise _Corrupt("one of its inputs is a constant; it is corrupt")
