package ecbsr.demo.core

import kotlin.math.ceil

/**
 * The resolutions of a graph's tensors and its receptive field, for graphs whose operators are local.
 *
 * @property scales the resolution of each tensor relative to the input, by tensor index; constants are absent.
 * @property halo the radius of the receptive field in input pixels.
 */
class Geometry private constructor(val scales: Map<Int, Int>, val halo: Int) {
    companion object {
        private const val MAX_HALO = 256.0 // with a larger halo, tiles would contain little else
        private val POINTWISE = setOf(
            "ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "PRELU", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1",
            "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "GELU", "QUANTIZE", "DEQUANTIZE", "CONCATENATION",
        )

        /** The geometry of a graph, or null if an operator is unknown or not local, such as a mean over the picture. */
        fun of(file: TfliteFile): Geometry? {
            val scales = mutableMapOf(file.inputs.single() to 1)
            val radii = mutableMapOf(file.inputs.single() to 0.0)
            for (node in file.nodes) {
                val activations = node.inputs.filter { it in scales }
                if (activations.isEmpty()) continue // all inputs are constant
                val scale = activations.map { scales.getValue(it) }.distinct().singleOrNull() ?: return null
                val constants = node.inputs.filter { it >= 0 && it !in scales }
                if (node.operator in POINTWISE && constants.any { variesByPosition(file.tensors[it]) }) return null
                val radius = radius(node, file) ?: return null
                for (output in node.outputs) {
                    scales[output] = scale * node.block
                    radii[output] = activations.maxOf { radii.getValue(it) } + radius / scale
                }
            }
            val halo = radii[file.outputs.single()]?.let { ceil(it) } ?: return null
            return if (halo <= MAX_HALO) Geometry(scales, halo.toInt()) else null
        }

        /** The radius of an operator's kernel in pixels of its input, or null if unknown. */
        private fun radius(node: Node, file: TfliteFile): Double? = when {
            node.operator in POINTWISE || node.operator == "DEPTH_TO_SPACE" && node.block > 0 -> 0.0
            node.operator == "CONV_2D" || node.operator == "DEPTHWISE_CONV_2D" -> {
                val kernel = node.inputs.getOrNull(1)?.let { file.tensors.getOrNull(it) }?.shape.orEmpty()
                val side = if (kernel.size == 4) maxOf(kernel[1], kernel[2]) else 0
                if (side > 0 && node.stride == 1 && (node.samePadding || side == 1)) side / 2 * node.dilation.toDouble() else null
            }
            else -> null
        }

        /** Whether a constant has one value per position, so that it fits only one picture size. */
        private fun variesByPosition(constant: Tensor) = constant.shape.dropLast(1).any { it != 1 }
    }
}
