package ecbsr.demo.core

/** Upscales a tile by a fixed factor. Each output pixel depends on the input pixels at most [halo] away. */
interface Upscaler {
    val scale: Int
    val halo: Int

    /** Tiles start at multiples of this number of pixels. */
    val step get() = 1

    /** The size of every tile, or null if tiles can have any size. */
    val fixedSize: Size?

    /** @return `scale * width` by `scale * height` ARGB pixels. */
    fun upscale(tile: Pixels): IntArray
}
