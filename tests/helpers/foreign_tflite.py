"""A `.tflite` file of another project, built with the classes that are generated from the schema, not with ours."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


def foreign_model() -> Any:
    """A custom operator with options, a StableHLO operator, 4-bit weights, strings, sparsity, a signature."""

    def tensor(name: str, kind: int, shape: list[int], buffer: int = 0, **fields: Any) -> Any:
        return schema.TensorT(name=name, type=kind, shape=shape, buffer=buffer, **fields)

    kinds = schema.TensorType
    sparsity = schema.SparsityParametersT(
        traversalOrder=[0, 1],
        dimMetadata=[
            schema.DimensionMetadataT(0, 2, 0, None, 0, None),
            schema.DimensionMetadataT(0, 2, 0, None, 0, None),
        ],
    )
    tensors = [
        tensor("x", kinds.FLOAT32, [1, 4, 4, 2], shapeSignature=[1, -1, -1, 2], hasRank=True),
        tensor("y", kinds.FLOAT32, [1, 4, 4, 2]),
        tensor("w4", kinds.INT4, [2, 3], 1, quantization=schema.QuantizationParametersT(scale=[0.5], zeroPoint=[0])),
        tensor("words", kinds.STRING, [1], 2),
        tensor("sparse", kinds.FLOAT32, [2, 2], 3, sparsity=sparsity),
        tensor("state", kinds.FLOAT32, [4], isVariable=True),
        tensor("z", kinds.FLOAT32, [1, 4, 4, 2]),
    ]
    nodes = [
        schema.OperatorT(
            opcodeIndex=1, inputs=[0, -1, 2, 3, 4, 5], outputs=[1], customOptions=[1, 2, 250], intermediates=[5]
        ),
        schema.OperatorT(
            opcodeIndex=0,
            inputs=[1],
            outputs=[6],
            builtinOptions2Type=schema.BuiltinOptions2.StablehloPadOptions,
            builtinOptions2=schema.StablehloPadOptionsT(
                edgePaddingLow=[0, 1], edgePaddingHigh=[2, 3], interiorPadding=[0, 0]
            ),
        ),
    ]
    names = schema.SignatureDefT([schema.TensorMapT("a", 0)], [schema.TensorMapT("b", 6)], "main", 0)
    return schema.ModelT(
        version=3,
        description="foreign",
        operatorCodes=[
            schema.OperatorCodeT(127, None, 7, schema.BuiltinOperator.STABLEHLO_PAD),
            schema.OperatorCodeT(32, "TheirOperator", 4, 32),
        ],
        subgraphs=[schema.SubGraphT(tensors, [0], [6], nodes, "theirs")],
        buffers=[
            schema.BufferT(),
            schema.BufferT([0x21, 0x43, 0x65]),
            schema.BufferT(list(b"\x01\0\0\0\x0c\0\0\0\x0e\0\0\0hi")),
            schema.BufferT(list(np.arange(4, dtype=np.float32).tobytes())),
            schema.BufferT([9, 9]),
        ],
        metadata=[schema.MetadataT("theirs", 4)],
        signatureDefs=[names],
    )


def packed(model: Any) -> bytes:
    """The bytes of a schema object."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
