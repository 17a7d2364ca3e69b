package ecbsr.demo.core

import kotlin.math.ceil

/**
 * How the tensors of a graph lie over its input picture, for graphs whose operators see a fixed neighbourhood.
 *
 * @property density pixels of a tensor per input pixel along one side, by tensor index; constants are absent.
 * @property halo how many input pixels around a region its output depends on.
 */
class Geometry private constructor(val density: Map<Int, Int>, val halo: Int) {
    companion object {
        private const val MOST_HALO = 256.0 // beyond, tiles would hold little but halo
        private val POINTWISE = setOf(
            "ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "PRELU", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1",
            "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "GELU", "QUANTIZE", "DEQUANTIZE", "CONCATENATION",
        )

        /** The geometry of a graph, or null where an operator has no known one, such as a mean over the picture. */
        fun of(file: TfliteFile): Geometry? {
            val density = mutableMapOf(file.inputs.single() to 1)
            val radius = mutableMapOf(file.inputs.single() to 0.0)
            for (node in file.nodes) {
                val pictures = node.inputs.filter { it in density }
                if (pictures.isEmpty()) continue // works on constants alone
                val here = pictures.map { density.getValue(it) }.distinct().singleOrNull() ?: return null
                if (node.operator in POINTWISE && node.inputs.any { spreads(file.tensors, it, it in density) }) return null
                val reach = reach(node, file) ?: return null
                for (output in node.outputs) {
                    density[output] = here * node.block
                    radius[output] = pictures.maxOf { radius.getValue(it) } + reach / here
                }
            }
            val output = file.outputs.single()
            val halo = radius[output]?.let { ceil(it) } ?: return null
            return if (halo <= MOST_HALO) Geometry(density, halo.toInt()) else null
        }

        /** How many pixels of its own input an operator looks around itself; null: not known. */
        private fun reach(node: Node, file: TfliteFile): Double? = when {
            node.operator in POINTWISE || node.operator == "DEPTH_TO_SPACE" && node.block > 0 -> 0.0
            node.operator == "CONV_2D" || node.operator == "DEPTHWISE_CONV_2D" -> {
                val kernel = node.inputs.getOrNull(1)?.let { file.tensors.getOrNull(it) }?.shape.orEmpty()
                val side = if (kernel.size == 4) maxOf(kernel[1], kernel[2]) else 0
                if (side > 0 && node.stride == 1 && (node.samePadding || side == 1)) side / 2 * node.dilation.toDouble() else null
            }
            else -> null
        }

        /** Whether a constant has a value per place, so that it fits one size of picture only. */
        private fun spreads(tensors: List<Tensor>, index: Int, isPicture: Boolean) =
            !isPicture && index >= 0 && tensors[index].shape.dropLast(1).any { it != 1 }
    }
}
