package ecbsr.demo.core

/** Pixels in row-major order as 0xAARRGGBB with straight alpha, as in an Android color `int`. */
class Pixels(val width: Int, val height: Int, val argb: IntArray) {
    init {
        require(argb.size == width * height) { "${argb.size} values for $width x $height pixels" }
    }

    /** The pixels of [region], which must lie inside this picture. */
    fun crop(region: Region): Pixels {
        val cropped = IntArray(region.width * region.height)
        for (y in 0 until region.height) {
            val row = (region.top + y) * width
            argb.copyInto(cropped, y * region.width, row + region.left, row + region.right)
        }
        return Pixels(region.width, region.height, cropped)
    }

    /** This picture repeated in both directions until it fills [size]. */
    fun repeated(size: Size) = build(size.width, size.height) { x, y -> argb[y % height * width + x % width] }

    companion object {
        /** Builds a picture from the value of each pixel. */
        inline fun build(width: Int, height: Int, argbAt: (x: Int, y: Int) -> Int): Pixels {
            val argb = IntArray(width * height)
            for (y in 0 until height) for (x in 0 until width) argb[y * width + x] = argbAt(x, y)
            return Pixels(width, height, argb)
        }
    }
}
