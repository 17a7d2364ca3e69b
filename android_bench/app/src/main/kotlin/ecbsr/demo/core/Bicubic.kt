package ecbsr.demo.core

import kotlin.math.abs
import kotlin.math.floor
import kotlin.math.round

/** Computes an output value from its phase and its four input values. */
private typealias Weigh = (phase: Int, a: Float, b: Float, c: Float, d: Float) -> Float

/**
 * Upscaling by an integer factor with cubic convolution (R. Keys, 1981; a = -0.5) and replicated borders, as
 * MATLAB's `imresize` does. `Bitmap.createScaledBitmap` is bilinear.
 */
class Bicubic(private val scale: Int) {
    // The weights repeat every `scale` output pixels; the index is phase * TAPS + tap.
    private val weights = DoubleArray(scale * TAPS)
    private val floatWeights: FloatArray
    private val firstTap = IntArray(scale)

    init {
        for (phase in 0 until scale) {
            val center = (phase + 0.5) / scale - 0.5
            firstTap[phase] = floor(center).toInt() - 1
            val raw = DoubleArray(TAPS) { cubic(center - (firstTap[phase] + it)) }
            for (tap in 0 until TAPS) weights[phase * TAPS + tap] = round(raw[tap] / raw.sum() * 1e12) / 1e12
        }
        floatWeights = FloatArray(weights.size) { weights[it].toFloat() }
    }

    /** Upscales a row-major plane of [width] x [height] values in single precision, without rounding or clipping. */
    fun upscale(plane: FloatArray, width: Int, height: Int) = upscale(plane, width, height) { phase, a, b, c, d ->
        val i = phase * TAPS
        floatWeights[i] * a + floatWeights[i + 1] * b + floatWeights[i + 2] * c + floatWeights[i + 3] * d
    }

    /** Upscales a row-major plane of integers in 0..255. Rounds and clips after each axis, as MATLAB does for `uint8` images. */
    fun upscaleRounded(plane: FloatArray, width: Int, height: Int) = upscale(plane, width, height) { phase, a, b, c, d ->
        val i = phase * TAPS
        val sum = weights[i] * a + weights[i + 1] * b + weights[i + 2] * c + weights[i + 3] * d
        // Nine digits: the last bits of a sum must not decide how an exact half is rounded.
        floor((round(sum * 1e9) / 1e9).coerceIn(0.0, 255.0) + 0.5).toFloat()
    }

    private inline fun upscale(plane: FloatArray, width: Int, height: Int, weigh: Weigh): FloatArray {
        val tall = upscaleAxis(plane, Axis(height, stride = width, lines = width, lineStride = 1, outputLineStride = 1), weigh)
        return upscaleAxis(tall, Axis(width, stride = 1, lines = height * scale, lineStride = width, outputLineStride = width * scale), weigh)
    }

    private inline fun upscaleAxis(input: FloatArray, axis: Axis, weigh: Weigh): FloatArray {
        val output = FloatArray(input.size * scale)
        for (position in 0 until axis.length * scale) {
            val phase = position % scale
            val first = position / scale + firstTap[phase]
            val (a, b, c, d) = IntArray(TAPS) { (first + it).coerceIn(0, axis.length - 1) * axis.stride }
            for (line in 0 until axis.lines) {
                val i = line * axis.lineStride
                output[line * axis.outputLineStride + position * axis.stride] =
                    weigh(phase, input[a + i], input[b + i], input[c + i], input[d + i])
            }
        }
        return output
    }

    /** An axis of [length] samples, [stride] apart in the plane, with [lines] parallel lines of samples. */
    private class Axis(val length: Int, val stride: Int, val lines: Int, val lineStride: Int, val outputLineStride: Int)

    companion object {
        /** The radius around a tile, in input pixels, that the upscaled tile depends on. */
        const val HALO = 2
        private const val TAPS = 4

        private fun cubic(distance: Double): Double {
            val x = abs(distance)
            return when {
                x <= 1 -> (1.5 * x - 2.5) * x * x + 1
                x <= 2 -> ((-0.5 * x + 2.5) * x - 4) * x + 2
                else -> 0.0
            }
        }
    }
}
