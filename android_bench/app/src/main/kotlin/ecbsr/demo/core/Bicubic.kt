package ecbsr.demo.core

import kotlin.math.floor
import kotlin.math.round

/**
 * Enlarging by a whole factor with cubic convolution (R. Keys, 1981; a = -0.5), borders repeated: what
 * MATLAB's `imresize` does. `Bitmap.createScaledBitmap` is bilinear, hence this.
 */
class Bicubic(private val scale: Int) {
    // The weights repeat with a period of `scale` output pixels: [phase * 4 + tap].
    private val weights = DoubleArray(scale * TAPS)
    private val first = IntArray(scale)
    private val singles: FloatArray

    init {
        for (phase in 0 until scale) {
            val center = (phase + 0.5) / scale - 0.5
            first[phase] = floor(center).toInt() - 1
            val raw = DoubleArray(TAPS) { cubic(center - (first[phase] + it)) }
            for (tap in 0 until TAPS) weights[phase * TAPS + tap] = round(raw[tap] / raw.sum() * 1e12) / 1e12
        }
        singles = FloatArray(weights.size) { weights[it].toFloat() }
    }

    /** A plane of any values, in single precision, neither rounded nor clipped: columns first, then rows. */
    fun enlarge(plane: FloatArray, width: Int, height: Int): FloatArray {
        val tall = FloatArray(width * height * scale)
        for (y in 0 until height * scale) {
            val phase = y % scale
            val rows = IntArray(TAPS) { (y / scale + first[phase] + it).coerceIn(0, height - 1) * width }
            for (x in 0 until width) tall[y * width + x] = weigh(phase) { plane[rows[it] + x] }
        }
        val out = FloatArray(width * scale * height * scale)
        for (x in 0 until width * scale) {
            val phase = x % scale
            val columns = IntArray(TAPS) { (x / scale + first[phase] + it).coerceIn(0, width - 1) }
            for (y in 0 until height * scale) out[y * width * scale + x] = weigh(phase) { tall[y * width + columns[it]] }
        }
        return out
    }

    /** Bytes 0..255 held as ints; rounded and clipped after each axis, as MATLAB does with `uint8` pictures. */
    fun enlargeBytes(plane: IntArray, width: Int, height: Int): IntArray {
        val tall = IntArray(width * height * scale)
        for (y in 0 until height * scale) {
            val phase = y % scale
            val rows = IntArray(TAPS) { (y / scale + first[phase] + it).coerceIn(0, height - 1) * width }
            for (x in 0 until width) tall[y * width + x] = weighBytes(phase) { plane[rows[it] + x] }
        }
        val out = IntArray(width * scale * height * scale)
        for (x in 0 until width * scale) {
            val phase = x % scale
            val columns = IntArray(TAPS) { (x / scale + first[phase] + it).coerceIn(0, width - 1) }
            for (y in 0 until height * scale) out[y * width * scale + x] = weighBytes(phase) { tall[y * width + columns[it]] }
        }
        return out
    }

    private inline fun weigh(phase: Int, value: (tap: Int) -> Float): Float {
        val at = phase * TAPS
        return singles[at] * value(0) + singles[at + 1] * value(1) + singles[at + 2] * value(2) + singles[at + 3] * value(3)
    }

    private inline fun weighBytes(phase: Int, value: (tap: Int) -> Int): Int {
        val at = phase * TAPS
        val sum = weights[at] * value(0) + weights[at + 1] * value(1) + weights[at + 2] * value(2) + weights[at + 3] * value(3)
        // Exact halves must not be decided by the last bits of a sum: nine digits are kept.
        return floor((round(sum * 1e9) / 1e9).coerceIn(0.0, 255.0) + 0.5).toInt()
    }

    companion object {
        /** How many pixels around a tile its enlarged pixels depend on. */
        const val HALO = 2
        private const val TAPS = 4

        private fun cubic(distance: Double): Double {
            val x = kotlin.math.abs(distance)
            return when {
                x <= 1 -> (1.5 * x - 2.5) * x * x + 1
                x <= 2 -> ((-0.5 * x + 2.5) * x - 4) * x + 2
                else -> 0.0
            }
        }
    }
}
