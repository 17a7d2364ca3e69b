package ecbsr.demo.core

/**
 * The EXIF orientation of a photo: the value 1 to 8 of tag 0x0112 (Exif 2.3, table 6).
 *
 * A stored picture becomes upright when its axes are swapped ([transposed]) and the result is then mirrored.
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

    /** The width of the upright picture, for a stored picture of [width] x [height]. */
    fun uprightWidth(width: Int, height: Int) = if (transposed) height else width

    fun uprightHeight(width: Int, height: Int) = if (transposed) width else height

    /** The stored region of an upright [region], for a stored picture of [width] x [height]. */
    fun stored(region: Region, width: Int, height: Int): Region {
        val left = if (mirrorX) uprightWidth(width, height) - region.right else region.left
        val top = if (mirrorY) uprightHeight(width, height) - region.bottom else region.top
        val right = left + region.width
        val bottom = top + region.height
        return if (transposed) Region(top, left, bottom, right) else Region(left, top, right, bottom)
    }

    /** Turns stored pixels upright. */
    fun upright(pixels: Pixels): Pixels {
        if (this == UPRIGHT) return pixels
        val width = uprightWidth(pixels.width, pixels.height)
        val height = uprightHeight(pixels.width, pixels.height)
        return Pixels.build(width, height) { x, y ->
            val column = if (mirrorX) width - 1 - x else x
            val row = if (mirrorY) height - 1 - y else y
            pixels.argb[if (transposed) column * pixels.width + row else row * pixels.width + column]
        }
    }

    companion object {
        /** The orientation of an EXIF value. Unknown values count as upright. */
        fun of(exif: Int) = entries.firstOrNull { it.exif == exif } ?: UPRIGHT
    }
}
