package ecbsr.demo.core

import kotlin.math.ceil

/** The resolution of a tensor: [multiple] values for every [step] input pixels, and for a rest of less than that. */
data class Resolution(val multiple: Int, val step: Int) {
    /** The values for [length] input pixels. */
    fun of(length: Int) = (length + step - 1) / step * multiple

    /** The factor from input to output size, or null if it is not an integer. */
    val scale get() = (multiple / step).takeIf { multiple % step == 0 }

    /** After an operator with a stride and a block size, or null if that is no such resolution. */
    fun after(stride: Int, block: Int) = when {
        multiple % stride == 0 -> Resolution(multiple / stride * block, step)
        multiple == 1 -> Resolution(block, step * stride)
        else -> null
    }
}

/**
 * The resolutions of a graph's tensors and its receptive field, for graphs whose operators are local.
 *
 * @property resolutions the resolution of each tensor, by tensor index; constants are absent.
 * @property halo the radius of the receptive field in input pixels.
 */
class Geometry private constructor(val resolutions: Map<Int, Resolution>, val halo: Int) {
    companion object {
        private const val MAX_HALO = 256.0 // with a larger halo, tiles would contain little else
        private val POINTWISE = setOf(
            "ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "PRELU", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1",
            "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "GELU", "QUANTIZE", "DEQUANTIZE", "CONCATENATION",
        )

        /** The geometry of a graph, or null if an operator is unknown or not local, such as a mean over the picture. */
        fun of(file: TfliteFile): Geometry? {
            val resolutions = mutableMapOf(file.inputs.single() to Resolution(1, 1))
            val radii = mutableMapOf(file.inputs.single() to 0.0)
            for (node in file.nodes) {
                val activations = node.inputs.filter { it in resolutions }
                if (activations.isEmpty()) continue // all inputs are constant
                val resolution = activations.map { resolutions.getValue(it) }.distinct().singleOrNull() ?: return null
                val constants = node.inputs.filter { it >= 0 && it !in resolutions }
                if (node.operator in POINTWISE && constants.any { variesByPosition(file.tensors[it]) }) return null
                val radius = radius(node, file) ?: return null
                val result = resolution.after(node.stride, node.block) ?: return null
                for (output in node.outputs) {
                    resolutions[output] = result
                    radii[output] = activations.maxOf { radii.getValue(it) } + radius * resolution.step / resolution.multiple
                }
            }
            val halo = radii[file.outputs.single()]?.let { ceil(it) } ?: return null
            return if (halo <= MAX_HALO) Geometry(resolutions, halo.toInt()) else null
        }

        /**
         * The radius of an operator's kernel in pixels of its input, or null if unknown. With a stride of 2, padding
         * does not depend on the size of the picture only if the kernel has even sides.
         */
        private fun radius(node: Node, file: TfliteFile): Double? = when {
            node.operator in POINTWISE || node.operator == "DEPTH_TO_SPACE" && node.block > 0 -> 0.0
            node.operator == "CONV_2D" || node.operator == "DEPTHWISE_CONV_2D" -> {
                val kernel = node.inputs.getOrNull(1)?.let { file.tensors.getOrNull(it) }?.shape.orEmpty()
                val side = if (kernel.size == 4) maxOf(kernel[1], kernel[2]) else 0
                when {
                    side == 0 -> null
                    node.stride == 1 && (node.samePadding || side == 1) -> side / 2 * node.dilation.toDouble()
                    node.stride == 2 && node.samePadding && node.dilation == 1 && kernel[1] % 2 == 0 && kernel[2] % 2 == 0 -> side / 2.0
                    else -> null
                }
            }
            else -> null
        }

        /** Whether a constant has one value per position, so that it fits only one picture size. */
        private fun variesByPosition(constant: Tensor) = constant.shape.dropLast(1).any { it != 1 }
    }
}
