package ecbsr.demo.core

import java.nio.BufferUnderflowException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * A tensor of a `.tflite`.
 *
 * @property shape the stored shape, with -1 for each open dimension.
 * @property shapeOffset where the file stores the numbers of the shape, or null.
 * @property signatureOffset the same for the shape signature.
 */
class Tensor(
    val shape: List<Int>,
    val type: Int,
    val constant: Boolean,
    val quantization: Quantization?,
    internal val shapeOffset: Int?,
    internal val signatureOffset: Int?,
)

/** Per-tensor quantization: `real = scale * (quantized - zeroPoint)`. */
data class Quantization(val scale: Float, val zeroPoint: Int)

/** An operator of a graph. [stride], [dilation], [samePadding] and [block] apply only to operators that have them. */
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
 * The first graph of a `.tflite` and the file's metadata.
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
        /** More than any super-resolution network for a phone needs, and small enough for its memory. */
        const val MAX_BYTES = 64 * 1024 * 1024

        /** @throws UserFacingException when the bytes are not a complete `.tflite`. */
        fun read(bytes: ByteArray): TfliteFile {
            if (bytes.isEmpty()) throw UserFacingException("The file is empty.")
            if (bytes.size < 16 || String(bytes, 4, 4, Charsets.ISO_8859_1) != "TFL3") {
                throw UserFacingException("The file is not a .tflite: choose a TensorFlow Lite model.")
            }
            try {
                return parse(bytes)
            } catch (error: Exception) {
                when (error) {
                    is FlatTable.MalformedException, is BufferUnderflowException, is IndexOutOfBoundsException ->
                        throw UserFacingException("The .tflite is damaged or incomplete: copy it again.", error)
                    else -> throw error
                }
            }
        }

        private fun parse(bytes: ByteArray): TfliteFile {
            val model = FlatTable.root(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN))
            val buffers = model.tables(4)
            val graph = model.tables(2).firstOrNull() ?: throw UserFacingException("The .tflite contains no graph.")
            val tensors = graph.tables(0).map { tensor(it, buffers) }
            val operators = model.tables(1).map(::operatorName)
            val nodes = graph.tables(3).map { node(it, operators) }
            val inputs = graph.ints(1)
            val outputs = graph.ints(2)
            val used = nodes.flatMap { it.inputs + it.outputs }.filter { it != -1 } + inputs + outputs
            if (used.any { it !in tensors.indices }) throw FlatTable.MalformedException()
            val metadata = model.tables(6).associate { (it.text(0) ?: "") to (buffers[it.int(1)].bytes(0) ?: ByteArray(0)) }
            return TfliteFile(bytes, tensors, nodes, inputs, outputs, metadata)
        }

        private fun tensor(table: FlatTable, buffers: List<FlatTable>): Tensor {
            val stored = table.ints(0)
            val signature = table.ints(7)
            val buffer = buffers[table.int(2)]
            return Tensor(
                shape = if (signature.size == stored.size) signature else stored,
                type = table.byte(1),
                constant = buffer.byteCount(0) > 0 || buffer.long(1) > 1, // large files store data after the FlatBuffer
                quantization = table.table(4)?.let(::quantization),
                shapeOffset = table.vectorOffset(0),
                signatureOffset = if (signature.isEmpty()) null else table.vectorOffset(7),
            )
        }

        private fun quantization(table: FlatTable): Quantization? {
            val scale = table.floats(2).singleOrNull() ?: return null
            return Quantization(scale, table.longs(3).firstOrNull()?.toInt() ?: 0)
        }

        private fun operatorName(table: FlatTable): String {
            // Codes up to 126 are in the deprecated byte field, higher ones in the field that replaces it.
            val code = maxOf(table.byte(0), table.int(3))
            return if (code == CUSTOM) table.text(1) ?: "CUSTOM" else NAMES[code] ?: "operator $code"
        }

        private fun node(table: FlatTable, operators: List<String>): Node {
            val name = operators[table.int(0)]
            val inputs = table.ints(1)
            val outputs = table.ints(2)
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
            stride = options.int(1).takeIf { it == options.int(2) } ?: 0,
            dilation = maxOf(options.int(dilation, 1), options.int(dilation + 1, 1)),
            samePadding = options.byte(0) == 0,
        )

        private const val CUSTOM = 32

        // The operators of super-resolution graphs. Others get their code as name.
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
