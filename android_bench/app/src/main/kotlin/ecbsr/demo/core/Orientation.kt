package ecbsr.demo.core

/**
 * How a camera held its sensor: the value 1 to 8 of the EXIF tag 0x0112 (Exif 2.3, table 6).
 *
 * A stored picture becomes upright by swapping its axes ([transposed]) and then mirroring the result.
 */
enum class Orientation(val exif: Int, private val transposed: Boolean, private val mirrorX: Boolean, private val mirrorY: Boolean) {
    UPRIGHT(1, false, false, false),
    MIRRORED(2, false, true, false),
    HALF_TURN(3, false, true, true),
    FLIPPED(4, false, false, true),
    TRANSPOSED(5, true, false, false),
    QUARTER_TURN(6, true, true, false),
    TRANSVERSED(7, true, true, true),
    THREE_QUARTER_TURN(8, true, false, true);

    /** Width of the upright picture of a stored [width] x [height] one. */
    fun uprightWidth(width: Int, height: Int) = if (transposed) height else width

    fun uprightHeight(width: Int, height: Int) = if (transposed) width else height

    /** Where the pixels of an upright [region] are stored in a picture of [width] x [height] as stored. */
    fun stored(region: Region, width: Int, height: Int): Region {
        val (w, h) = uprightWidth(width, height) to uprightHeight(width, height)
        val left = if (mirrorX) w - region.right else region.left
        val top = if (mirrorY) h - region.bottom else region.top
        val (right, bottom) = left + region.width to top + region.height
        return if (transposed) Region(top, left, bottom, right) else Region(left, top, right, bottom)
    }

    /** Stored pixels turned upright. */
    fun upright(pixels: Pixels): Pixels {
        if (this == UPRIGHT) return pixels
        val (w, h) = uprightWidth(pixels.width, pixels.height) to uprightHeight(pixels.width, pixels.height)
        val out = IntArray(w * h)
        for (y in 0 until h) {
            val fromY = if (mirrorY) h - 1 - y else y
            for (x in 0 until w) {
                val fromX = if (mirrorX) w - 1 - x else x
                val from = if (transposed) fromX * pixels.width + fromY else fromY * pixels.width + fromX
                out[y * w + x] = pixels.argb[from]
            }
        }
        return Pixels(w, h, out)
    }

    companion object {
        /** The orientation of an EXIF value; anything unknown counts as upright. */
        fun of(exif: Int) = entries.firstOrNull { it.exif == exif } ?: UPRIGHT
    }
}
