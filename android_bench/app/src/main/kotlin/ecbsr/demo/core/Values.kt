package ecbsr.demo.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.floor

/**
 * How a tensor of a network stores pixels: its number type, its quantisation, and which real values mean
 * black and white. Pixels are planes of floats in 0..255 here.
 */
class Values private constructor(val type: Int, val quantization: Quantization, val black: Float, val white: Float) {
    val bytesPerValue get() = if (type == FLOAT32) 4 else 1
    val typeName get() = NAMES.getValue(type)

    /** A direct buffer for [count] values, in the order of bytes that interpreters use. */
    fun buffer(count: Int): ByteBuffer = ByteBuffer.allocateDirect(count * bytesPerValue).order(ByteOrder.nativeOrder())

    /** Writes the [planes] interleaved (NHWC) from the start of [buffer]. */
    fun write(planes: List<FloatArray>, buffer: ByteBuffer) {
        buffer.rewind()
        for (i in planes[0].indices) for (plane in planes) put(buffer, real(plane[i]))
        buffer.rewind()
    }

    /** Reads [colors] interleaved planes of [count] pixels. */
    fun read(buffer: ByteBuffer, colors: Int, count: Int): List<FloatArray> {
        buffer.rewind()
        val planes = List(colors) { FloatArray(count) }
        for (i in 0 until count) for (plane in planes) plane[i] = pixel(get(buffer))
        return planes
    }

    private fun real(pixel: Float) = if (plain) pixel / 255f else black + pixel / 255f * (white - black)

    private fun pixel(real: Float) = if (plain) real * 255f else (real - black) / (white - black) * 255f

    private val plain get() = black == 0f && white == 1f

    private fun put(buffer: ByteBuffer, real: Float) {
        when (type) {
            FLOAT32 -> buffer.putFloat(real)
            else -> {
                val (low, high) = if (type == INT8) -128 to 127 else 0 to 255
                val stored = floor(real / quantization.scale + 0.5f).toInt() + quantization.zeroPoint
                buffer.put(stored.coerceIn(low, high).toByte())
            }
        }
    }

    private fun get(buffer: ByteBuffer): Float = when (type) {
        FLOAT32 -> buffer.getFloat()
        INT8 -> (buffer.get().toFloat() - quantization.zeroPoint) * quantization.scale
        else -> ((buffer.get().toInt() and 255).toFloat() - quantization.zeroPoint) * quantization.scale
    }

    companion object {
        const val FLOAT32 = 0
        const val FLOAT16 = 1
        const val UINT8 = 3
        const val INT8 = 9
        private val NAMES = mapOf(FLOAT32 to "float32", UINT8 to "uint8", INT8 to "int8")

        /** @throws Refused when the tensor is of another type, or has no quantisation where it needs one. */
        fun of(tensor: Tensor): Values {
            if (tensor.type !in NAMES) throw Refused("The model's pictures are neither float32 nor int8 nor uint8.")
            // Float files without a recipe say nothing about their range; 0..1 is what nearly all take.
            if (tensor.type == FLOAT32) return Values(tensor.type, Quantization(1f, 0), 0f, 1f)
            val quantization = tensor.quantization?.takeIf { it.scale > 0 && it.scale.isFinite() }
                ?: throw Refused("The model's pictures are ${NAMES[tensor.type]}, but the file holds no scale for them.")
            val lowest = if (tensor.type == INT8) -128 else 0
            val (low, high) = List(2) { (lowest + 255 * it - quantization.zeroPoint) * quantization.scale }
            return when {
                high > 2 -> Values(tensor.type, quantization, 0f, 255f)
                low < -0.5f -> Values(tensor.type, quantization, -1f, 1f)
                else -> Values(tensor.type, quantization, 0f, 1f)
            }
        }
    }
}
