package ecbsr.demo.core

import java.nio.BufferUnderflowException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A tensor of a `.tflite`: [shape] as stored, -1 where the file leaves it open. */
class Tensor(
    val shape: List<Int>,
    val type: Int,
    val constant: Boolean,
    val quantization: Quantization?,
    /** Where the file keeps the numbers of the shape and of the shape signature, or null. */
    internal val shapeAt: Int?,
    internal val signatureAt: Int?,
)

/** `real = scale * (stored - zeroPoint)`, one pair for the whole tensor. */
data class Quantization(val scale: Float, val zeroPoint: Int)

/** One operator. [kernel], [stride], [dilation] and [block] have a meaning where the operator has one. */
class Node(
    val operator: String,
    val inputs: List<Int>,
    val outputs: List<Int>,
    val stride: Int = 1,
    val dilation: Int = 1,
    val samePadding: Boolean = true,
    val block: Int = 1,
)

/**
 * What the app needs to know of a `.tflite`: the first graph of the file and its metadata.
 * Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3.
 */
class TfliteFile private constructor(
    val bytes: ByteArray,
    val tensors: List<Tensor>,
    val nodes: List<Node>,
    val inputs: List<Int>,
    val outputs: List<Int>,
    val metadata: Map<String, ByteArray>,
) {
    companion object {
        /** Larger than any network that a phone upscales pictures with, small enough for its memory. */
        const val MOST_BYTES = 64 * 1024 * 1024

        /** @throws Refused when the bytes are not a whole `.tflite`. */
        fun read(bytes: ByteArray): TfliteFile {
            if (bytes.isEmpty()) throw Refused("The file is empty.")
            if (bytes.size < 16 || String(bytes, 4, 4, Charsets.ISO_8859_1) != "TFL3") {
                throw Refused("The file is not a .tflite: choose a TensorFlow Lite model.")
            }
            try {
                return parse(bytes)
            } catch (error: Exception) {
                when (error) {
                    is Damaged, is BufferUnderflowException, is IndexOutOfBoundsException ->
                        throw Refused("The .tflite is damaged or only part of a file: copy it again.", error)
                    else -> throw error
                }
            }
        }

        private fun parse(bytes: ByteArray): TfliteFile {
            val model = FlatTable.root(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN))
            val buffers = model.tables(4)
            val graph = model.tables(2).firstOrNull() ?: throw Refused("The .tflite holds no graph.")
            val tensors = graph.tables(0).map { tensor(it, buffers) }
            val operators = model.tables(1).map(::operatorName)
            val nodes = graph.tables(3).map { node(it, operators) }
            val (inputs, outputs) = graph.ints(1) to graph.ints(2)
            val used = nodes.flatMap { it.inputs + it.outputs }.filter { it != -1 } + inputs + outputs
            if (used.any { it !in tensors.indices }) throw Damaged()
            val metadata = model.tables(6).associate { (it.text(0) ?: "") to (buffers[it.int(1)].bytes(0) ?: ByteArray(0)) }
            return TfliteFile(bytes, tensors, nodes, inputs, outputs, metadata)
        }

        private fun tensor(table: FlatTable, buffers: List<FlatTable>): Tensor {
            val (stored, signature) = table.ints(0) to table.ints(7)
            val buffer = buffers[table.int(2)]
            return Tensor(
                shape = if (signature.size == stored.size) signature else stored,
                type = table.byte(1),
                constant = buffer.byteCount(0) > 0 || buffer.long(1) > 1, // large files keep data behind the FlatBuffer
                quantization = table.table(4)?.let(::quantization),
                shapeAt = table.vectorAt(0),
                signatureAt = if (signature.isEmpty()) null else table.vectorAt(7),
            )
        }

        private fun quantization(table: FlatTable): Quantization? {
            val (scales, zeroPoints) = table.floats(2) to table.longs(3)
            return if (scales.size == 1) Quantization(scales[0], zeroPoints.firstOrNull()?.toInt() ?: 0) else null
        }

        private fun operatorName(table: FlatTable): String {
            // Operators up to 126 are in the old byte; later ones in the field that replaced it.
            val code = maxOf(table.byte(0), table.int(3))
            return if (code == CUSTOM) table.text(1) ?: "CUSTOM" else NAMES[code] ?: "operator $code"
        }

        private fun node(table: FlatTable, operators: List<String>): Node {
            val name = operators[table.int(0)]
            val (inputs, outputs) = table.ints(1) to table.ints(2)
            val options = table.table(4) ?: return Node(name, inputs, outputs)
            return when (name) {
                "CONV_2D" -> convolution(name, inputs, outputs, options, dilation = 4)
                "DEPTHWISE_CONV_2D" -> convolution(name, inputs, outputs, options, dilation = 5)
                "DEPTH_TO_SPACE" -> Node(name, inputs, outputs, block = options.int(0))
                else -> Node(name, inputs, outputs)
            }
        }

        private fun convolution(name: String, inputs: List<Int>, outputs: List<Int>, options: FlatTable, dilation: Int) = Node(
            name, inputs, outputs,
            stride = maxOf(options.int(1), options.int(2)),
            dilation = maxOf(options.int(dilation, 1), options.int(dilation + 1, 1)),
            samePadding = options.byte(0) == 0,
        )

        private const val CUSTOM = 32

        // The operators that super-resolution graphs are made of; others are named by their number.
        private val NAMES = mapOf(
            0 to "ADD", 2 to "CONCATENATION", 3 to "CONV_2D", 4 to "DEPTHWISE_CONV_2D", 5 to "DEPTH_TO_SPACE",
            6 to "DEQUANTIZE", 9 to "FULLY_CONNECTED", 14 to "LOGISTIC", 18 to "MUL", 19 to "RELU", 20 to "RELU_N1_TO_1",
            21 to "RELU6", 22 to "RESHAPE", 23 to "RESIZE_BILINEAR", 25 to "SOFTMAX", 28 to "TANH", 34 to "PAD",
            39 to "TRANSPOSE", 40 to "MEAN", 41 to "SUB", 42 to "DIV", 49 to "SPLIT", 54 to "PRELU", 55 to "MAXIMUM",
            57 to "MINIMUM", 65 to "SLICE", 67 to "TRANSPOSE_CONV", 97 to "RESIZE_NEAREST_NEIGHBOR", 98 to "LEAKY_RELU",
            114 to "QUANTIZE", 117 to "HARD_SWISH", 150 to "GELU", 152 to "RELU_0_TO_1",
        )
    }
}
