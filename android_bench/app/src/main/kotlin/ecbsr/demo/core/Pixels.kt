package ecbsr.demo.core

/** Pixels row by row as 0xAARRGGBB, alpha not premultiplied: Android's own order of an `int` colour. */
class Pixels(val width: Int, val height: Int, val argb: IntArray) {
    init {
        require(argb.size == width * height) { "${argb.size} values for $width x $height pixels" }
    }

    /** The pixels inside [region], which must lie within this picture. */
    fun crop(region: Region): Pixels {
        val out = IntArray(region.width * region.height)
        for (y in 0 until region.height) {
            argb.copyInto(out, y * region.width, (region.top + y) * width + region.left, (region.top + y) * width + region.right)
        }
        return Pixels(region.width, region.height, out)
    }
}

/** A rectangle of pixels; [right] and [bottom] lie just outside. */
data class Region(val left: Int, val top: Int, val right: Int, val bottom: Int) {
    val width get() = right - left
    val height get() = bottom - top

    /** The part of this rectangle that lies inside a picture of [width] x [height]. */
    fun within(width: Int, height: Int) =
        Region(left.coerceIn(0, width), top.coerceIn(0, height), right.coerceIn(0, width), bottom.coerceIn(0, height))
}

/** A picture that can be read in parts, so that one larger than memory can be worked on. */
interface PixelSource {
    val width: Int
    val height: Int
    val hasAlpha: Boolean

    /** @throws Refused when the picture cannot be read. */
    fun read(region: Region): Pixels

    val whole get() = Region(0, 0, width, height)
}

/** A picture in memory. */
class PixelsInMemory(private val pixels: Pixels, override val hasAlpha: Boolean = false) : PixelSource {
    override val width get() = pixels.width
    override val height get() = pixels.height

    override fun read(region: Region) = pixels.crop(region)
}
