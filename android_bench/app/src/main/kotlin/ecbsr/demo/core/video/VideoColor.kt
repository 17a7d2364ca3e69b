package ecbsr.demo.core.video

/**
 * How a video stores color.
 *
 * @property isFullRange whether luma is 0..255, as cameras and JPEG have it, instead of 16..235.
 * @property isBt709 whether the matrix is that of ITU-R BT.709, for HD, instead of BT.601.
 * @property chromaIsLeft whether a chroma sample lies on the left of its two pixels, as in H.264 and HEVC, instead of
 *   between them, as in JPEG.
 */
data class VideoColor(val isFullRange: Boolean, val isBt709: Boolean, val chromaIsLeft: Boolean) {
    /**
     * The matrix from YCbCr to RGB, row by row, and the offsets of Y, Cb and Cr; all for values in 0..1.
     * Source: ITU-R BT.601-7 and BT.709-6, with the range of 8-bit video or the full range of JFIF.
     */
    val toRgb: FloatArray
        get() {
            val (red, blue) = if (isBt709) 0.2126 to 0.0722 else 0.299 to 0.114
            val green = 1 - red - blue
            val luma = if (isFullRange) 1.0 else 255.0 / 219
            val chroma = if (isFullRange) 1.0 else 255.0 / 224
            return doubleArrayOf(
                luma, 0.0, chroma * 2 * (1 - red),
                luma, -chroma * 2 * (1 - blue) * blue / green, -chroma * 2 * (1 - red) * red / green,
                luma, chroma * 2 * (1 - blue), 0.0,
            ).map { it.toFloat() }.toFloatArray()
        }

    val lumaOffset get() = if (isFullRange) 0f else 16f / 255

    companion object {
        const val CHROMA_OFFSET = 128f / 255
    }
}
