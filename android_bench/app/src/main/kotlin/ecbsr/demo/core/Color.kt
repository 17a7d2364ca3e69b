package ecbsr.demo.core

/**
 * BT.601 luma and chroma with limited range, as MATLAB's `rgb2ycbcr` (ITU-R BT.601-7, section 2.5).
 *
 * Planes are row by row, values in 0..255: Y in 16..235, Cb and Cr in 16..240, not rounded. All sums are in
 * single precision and in a fixed order, so that a tile gets the same bits as the whole picture.
 */
object Color {
    private val toY = floatArrayOf(65.481, 128.553, 24.966)
    private val toCb = floatArrayOf(-37.797, -74.203, 112.0)
    private val toCr = floatArrayOf(112.0, -93.786, -18.214)
    private val toRgb = inverse()

    fun luma(argb: IntArray) = plane(argb, toY, 16f)

    fun cb(argb: IntArray) = plane(argb, toCb, 128f)

    fun cr(argb: IntArray) = plane(argb, toCr, 128f)

    /** One channel of packed pixels as values 0..255; [shift] is 16 for red, 8 green, 0 blue, 24 alpha. */
    fun channel(argb: IntArray, shift: Int) = FloatArray(argb.size) { (argb[it] ushr shift and 255).toFloat() }

    /** Opaque pixels of luma and chroma planes. */
    fun rgb(y: FloatArray, cb: FloatArray, cr: FloatArray) = IntArray(y.size) {
        val (a, b, c) = Triple(y[it] - 16f, cb[it] - 128f, cr[it] - 128f)
        pack(mix(0, a, b, c), mix(1, a, b, c), mix(2, a, b, c))
    }

    /** One opaque pixel of values that are rounded (half up) and clipped to 0..255. */
    fun pack(red: Float, green: Float, blue: Float) =
        (255 shl 24) or (round(red) shl 16) or (round(green) shl 8) or round(blue)

    /** Half up, clipped to 0..255, as MATLAB's `uint8()`. */
    fun round(value: Float) = (value.coerceIn(0f, 255f) + 0.5f).toInt()

    private fun mix(row: Int, y: Float, cb: Float, cr: Float) =
        toRgb[3 * row] * y + toRgb[3 * row + 1] * cb + toRgb[3 * row + 2] * cr

    private fun plane(argb: IntArray, weights: FloatArray, offset: Float) = FloatArray(argb.size) {
        val pixel = argb[it]
        val red = (pixel shr 16 and 255).toFloat() * weights[0]
        val green = (pixel shr 8 and 255).toFloat() * weights[1]
        val blue = (pixel and 255).toFloat() * weights[2]
        red + green + blue + offset
    }

    private fun floatArrayOf(vararg of255: Double) = FloatArray(of255.size) { (of255[it] / 255).toFloat() }

    /** The inverse of the matrix whose rows are Y, Cb, Cr, by Cramer's rule. */
    private fun inverse(): FloatArray {
        val (a, b, c) = listOf(65.481 / 255, 128.553 / 255, 24.966 / 255)
        val (d, e, f) = listOf(-37.797 / 255, -74.203 / 255, 112.0 / 255)
        val (g, h, i) = listOf(112.0 / 255, -93.786 / 255, -18.214 / 255)
        val determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        val adjugate = listOf(
            e * i - f * h, c * h - b * i, b * f - c * e,
            f * g - d * i, a * i - c * g, c * d - a * f,
            d * h - e * g, b * g - a * h, a * e - b * d,
        )
        return FloatArray(9) { (adjugate[it] / determinant).toFloat() }
    }
}
