package ecbsr.demo.core

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
