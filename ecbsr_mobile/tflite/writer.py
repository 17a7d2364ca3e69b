"""Write a `Graph` as the bytes of a `.tflite` file; the counterpart of `reader`."""

from __future__ import annotations

from collections.abc import Iterable

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ..errors import EcbsrError
from .graph import Graph, Node, Tensor
from .reader import IDENTIFIER, OPERATOR_NAMES, SCHEMA_VERSION, TYPES

_ALIGNMENT = 16  # of constants, required by the schema
_OPERATOR_CODES = {name: code for code, name in OPERATOR_NAMES.items()}
_TYPE_CODES = {name: code for code, name in TYPES.items()}


def write(graph: Graph) -> bytes:
    """The graph as the bytes of a `.tflite` file: the same graph gives the same bytes.

    Unused tensors and constants are dropped. Equal constants are stored once, aligned to 16 bytes.

    Raises:
        EcbsrError: the graph has content that cannot be written: several subgraphs, unknown operators or types,
            block-wise quantization.
    """
    return _Writer(graph).model()


class _Constant:
    """A buffer with aligned content; the class that is generated from the schema does not align it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def Pack(self, builder: flatbuffers.Builder) -> int:
        if self.content:
            builder.StartVector(1, len(self.content), _ALIGNMENT)
            builder.head -= len(self.content)
            builder.Bytes[builder.head : builder.head + len(self.content)] = self.content
            data = builder.EndVector()
        schema.BufferStart(builder)
        if self.content:
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


class _Writer:
    """Converts a graph into the schema's objects and packs them."""

    def __init__(self, graph: Graph) -> None:
        if graph.subgraphs != 1:
            raise EcbsrError(f"a model of {graph.subgraphs} subgraphs cannot be written: only the first was read")
        self.graph = graph
        self.buffers: dict[bytes, int] = {b"": 0}  # buffer 0 is the empty one
        self.codes: dict[tuple[str, int, bool], int] = {}
        used = {*graph.inputs, *graph.outputs}
        if graph.signature:
            used.update(graph.signature.inputs.values(), graph.signature.outputs.values())
        for node in graph.nodes:
            used.update(node.inputs, node.outputs, node.intermediates)
        self.index = {old: new for new, old in enumerate(sorted(used - {-1}))}

    def model(self) -> bytes:
        graph = self.graph
        subgraph = schema.SubGraphT(
            tensors=[self.tensor(graph.tensors[old]) for old in self.index],
            operators=[self.node(node) for node in graph.nodes],
            inputs=self.renumber(graph.inputs),
            outputs=self.renumber(graph.outputs),
            name="main",
        )
        model = schema.ModelT(
            version=SCHEMA_VERSION,
            subgraphs=[subgraph],
            metadata=[schema.MetadataT(name, self.buffer(data)) for name, data in graph.metadata.items()],
            signatureDefs=self.signature(),
            description=graph.description,
            operatorCodes=[self.code(*key) for key in self.codes],
        )
        model.buffers = [_Constant(content) for content in self.buffers]
        builder = flatbuffers.Builder(4096 + sum(map(len, self.buffers)) + 512 * len(self.index))
        builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
        return bytes(builder.Output())

    def renumber(self, indices: Iterable[int]) -> list[int]:
        return [-1 if old < 0 else self.index[old] for old in indices]

    def buffer(self, content: bytes) -> int:
        return self.buffers.setdefault(content, len(self.buffers))

    def tensor(self, tensor: Tensor) -> schema.TensorT:
        if tensor.type_name not in _TYPE_CODES:
            raise EcbsrError(f"tensor {tensor.label} has the unknown type {tensor.type_name} and cannot be written")
        return schema.TensorT(
            name=tensor.name,
            shape=list(tensor.shape),
            shapeSignature=list(tensor.signature) if tensor.signature else None,
            hasRank=True,
            type=_TYPE_CODES[tensor.type_name],
            buffer=0 if tensor.data is None else self.buffer(_content(tensor)),
            quantization=_quantization(tensor),
            isVariable=tensor.variable,
            sparsity=tensor.sparsity,
        )

    def node(self, node: Node) -> schema.OperatorT:
        key = (node.operator, node.version, node.custom)
        options, name = node.options, type(node.options).__name__.removesuffix("T")
        first = getattr(schema.BuiltinOptions, name, 0) if options else 0
        second = getattr(schema.BuiltinOptions2, name, 0) if options and not first else 0
        custom = None if node.custom_options is None else np.frombuffer(node.custom_options, np.uint8)
        return schema.OperatorT(
            opcodeIndex=self.codes.setdefault(key, len(self.codes)),
            inputs=self.renumber(node.inputs),
            outputs=self.renumber(node.outputs),
            builtinOptionsType=first,
            builtinOptions=options if first else None,
            builtinOptions2Type=second,
            builtinOptions2=options if second else None,
            customOptions=custom,
            intermediates=self.renumber(node.intermediates) or None,
        )

    def code(self, operator: str, version: int, custom: bool) -> schema.OperatorCodeT:
        if not custom and operator not in _OPERATOR_CODES:
            raise EcbsrError(f"operator {operator} is not known and cannot be written")
        code = schema.BuiltinOperator.CUSTOM if custom else _OPERATOR_CODES[operator]
        # The deprecated 8-bit field gets a placeholder for codes above 127.
        short = min(code, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
        return schema.OperatorCodeT(short, operator if custom else None, version, code)

    def signature(self) -> list[schema.SignatureDefT] | None:
        signature = self.graph.signature
        if signature is None:
            return None
        inputs = [schema.TensorMapT(name, self.index[i]) for name, i in signature.inputs.items()]
        outputs = [schema.TensorMapT(name, self.index[i]) for name, i in signature.outputs.items()]
        return [schema.SignatureDefT(inputs, outputs, signature.key, 0)]


def _content(tensor: Tensor) -> bytes:
    data = np.asarray(tensor.data)
    plain = not tensor.kind and tensor.sparsity is None
    if plain and (data.dtype != tensor.dtype or data.shape != tensor.shape):
        raise ValueError(
            f"constant {tensor.label} has data {data.dtype} {data.shape}, but is declared {tensor.dtype} {tensor.shape}"
        )
    return data.tobytes()


def _quantization(tensor: Tensor) -> schema.QuantizationParametersT | None:
    details = tensor.quantization_details
    if details is not None:
        raise EcbsrError(
            f"tensor {tensor.label} is quantized by {type(details).__name__[:-1]}, which cannot be written"
        )
    if tensor.quantization is None:
        return None
    return schema.QuantizationParametersT(
        scale=np.asarray(tensor.quantization.scale, np.float32),
        zeroPoint=np.asarray(tensor.quantization.zero_point, np.int64),
        quantizedDimension=tensor.quantization.axis,
    )
