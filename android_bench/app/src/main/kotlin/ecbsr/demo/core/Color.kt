package ecbsr.demo.core

/**
 * BT.601 luma and chroma with limited range, as in MATLAB's `rgb2ycbcr` (ITU-R BT.601-7, section 2.5).
 *
 * Planes are row-major with values in 0..255: Y in 16..235, Cb and Cr in 16..240, not rounded. All sums are in
 * single precision and in a fixed order, so that a tile gets the same bits as the whole picture.
 */
object Color {
    // Rows Y, Cb, Cr, for RGB in 0..255.
    private val matrix = listOf(65.481, 128.553, 24.966, -37.797, -74.203, 112.0, 112.0, -93.786, -18.214).map { it / 255 }
    private val toYCbCr = FloatArray(9) { matrix[it].toFloat() }
    private val toRgb = inverse()

    fun luma(argb: IntArray) = plane(argb, 0, 16f)

    fun cb(argb: IntArray) = plane(argb, 1, 128f)

    fun cr(argb: IntArray) = plane(argb, 2, 128f)

    /** The red, green and blue planes. */
    fun rgb(argb: IntArray) = listOf(16, 8, 0).map { channel(argb, it) }

    fun alpha(argb: IntArray) = channel(argb, 24)

    /** Opaque pixels from red, green and blue planes, rounded and clipped. */
    fun fromRgb(planes: List<FloatArray>): IntArray {
        val (red, green, blue) = planes
        return IntArray(red.size) { pack(red[it], green[it], blue[it]) }
    }

    /** Opaque pixels from luma and chroma planes, rounded and clipped. */
    fun fromYCbCr(luma: FloatArray, cb: FloatArray, cr: FloatArray) = IntArray(luma.size) {
        val y = luma[it] - 16f
        val b = cb[it] - 128f
        val r = cr[it] - 128f
        pack(dot(toRgb, 0, y, b, r), dot(toRgb, 1, y, b, r), dot(toRgb, 2, y, b, r))
    }

    /** Rounds half up and clips to 0..255, as MATLAB's `uint8()` does. */
    fun round(value: Float) = (value.coerceIn(0f, 255f) + 0.5f).toInt()

    private fun pack(red: Float, green: Float, blue: Float) =
        (255 shl 24) or (round(red) shl 16) or (round(green) shl 8) or round(blue)

    private fun channel(argb: IntArray, shift: Int) = FloatArray(argb.size) { byte(argb[it], shift) }

    private fun plane(argb: IntArray, row: Int, offset: Float) = FloatArray(argb.size) {
        dot(toYCbCr, row, byte(argb[it], 16), byte(argb[it], 8), byte(argb[it], 0)) + offset
    }

    private fun byte(pixel: Int, shift: Int) = (pixel ushr shift and 255).toFloat()

    private fun dot(matrix: FloatArray, row: Int, a: Float, b: Float, c: Float) =
        matrix[3 * row] * a + matrix[3 * row + 1] * b + matrix[3 * row + 2] * c

    /** The inverse of [matrix], by Cramer's rule. */
    private fun inverse(): FloatArray {
        val (a, b, c) = matrix.subList(0, 3)
        val (d, e, f) = matrix.subList(3, 6)
        val (g, h, i) = matrix.subList(6, 9)
        val determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        val adjugate = listOf(
            e * i - f * h, c * h - b * i, b * f - c * e,
            f * g - d * i, a * i - c * g, c * d - a * f,
            d * h - e * g, b * g - a * h, a * e - b * d,
        )
        return FloatArray(9) { (adjugate[it] / determinant).toFloat() }
    }
}
