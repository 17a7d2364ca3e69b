package ecbsr.demo.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.floor

/**
 * How an input or output tensor stores pixels: its dtype, its quantization, and the real values of black and white.
 * Pixels are planes of floats in 0..255 here.
 */
class TensorFormat private constructor(
    val type: Int,
    private val quantization: Quantization,
    private val black: Float,
    private val white: Float,
) {
    val dtype get() = DTYPES.getValue(type)
    private val bytesPerValue = if (type == FLOAT32) 4 else 1
    private val lowest = lowest(type)
    private val isUnitRange = black == 0f && white == 1f

    /** A direct buffer for [count] values in native byte order. */
    fun buffer(count: Int): ByteBuffer = ByteBuffer.allocateDirect(count * bytesPerValue).order(ByteOrder.nativeOrder())

    /** Writes the [planes] interleaved (NHWC) from the start of [buffer]. */
    fun write(planes: List<FloatArray>, buffer: ByteBuffer) {
        buffer.rewind()
        for (i in planes[0].indices) for (channel in planes.indices) put(buffer, toReal(planes[channel][i]))
        buffer.rewind()
    }

    /** Reads [channels] interleaved planes of [count] pixels from the start of [buffer]. */
    fun read(buffer: ByteBuffer, channels: Int, count: Int): List<FloatArray> {
        buffer.rewind()
        val planes = List(channels) { FloatArray(count) }
        for (i in 0 until count) for (channel in 0 until channels) planes[channel][i] = toPixel(get(buffer))
        return planes
    }

    private fun toReal(pixel: Float) = if (isUnitRange) pixel / 255f else black + pixel / 255f * (white - black)

    private fun toPixel(real: Float) = if (isUnitRange) real * 255f else (real - black) / (white - black) * 255f

    private fun put(buffer: ByteBuffer, real: Float) {
        if (type == FLOAT32) {
            buffer.putFloat(real)
        } else {
            val quantized = floor(real / quantization.scale + 0.5f).toInt() + quantization.zeroPoint
            buffer.put(quantized.coerceIn(lowest, lowest + 255).toByte())
        }
    }

    private fun get(buffer: ByteBuffer): Float {
        if (type == FLOAT32) return buffer.getFloat()
        val byte = buffer.get().toInt()
        val quantized = if (type == INT8) byte else byte and 255
        return (quantized.toFloat() - quantization.zeroPoint) * quantization.scale
    }

    companion object {
        const val FLOAT32 = 0
        const val FLOAT16 = 1
        const val UINT8 = 3
        const val INT8 = 9
        private val DTYPES = mapOf(FLOAT32 to "float32", UINT8 to "uint8", INT8 to "int8")

        /**
         * @param range the values of a tensor of floats, which the tensor does not state.
         * @throws UserFacingException when the dtype is not supported or the quantization is missing.
         */
        fun of(tensor: Tensor, range: ValueRange = ValueRange.UNIT): TensorFormat {
            if (tensor.type !in DTYPES) throw UserFacingException("The model's input or output is neither float32 nor int8 nor uint8.")
            if (tensor.type == FLOAT32) return TensorFormat(tensor.type, Quantization(1f, 0), range.black, range.white)
            val quantization = tensor.quantization?.takeIf { it.scale > 0 && it.scale.isFinite() }
                ?: throw UserFacingException("The model's input or output is ${DTYPES[tensor.type]}, but the file has no scale for it.")
            val (low, high) = List(2) { (lowest(tensor.type) + 255 * it - quantization.zeroPoint) * quantization.scale }
            return when {
                high > 2 && low < -2 -> TensorFormat(tensor.type, quantization, -128f, 127f) // pixels as 8 signed bits
                high > 2 -> TensorFormat(tensor.type, quantization, 0f, 255f)
                low < -0.5f -> TensorFormat(tensor.type, quantization, -1f, 1f)
                else -> TensorFormat(tensor.type, quantization, 0f, 1f)
            }
        }

        private fun lowest(type: Int) = if (type == INT8) -128 else 0
    }
}
