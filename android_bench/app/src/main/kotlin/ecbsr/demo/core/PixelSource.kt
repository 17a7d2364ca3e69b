package ecbsr.demo.core

/** A picture that is read in parts, so that it can be larger than memory. */
interface PixelSource {
    val width: Int
    val height: Int
    val whole get() = Region(0, 0, width, height)

    /** @throws UserFacingException when the picture cannot be read. */
    fun read(region: Region): Pixels
}

/** A picture in memory. */
class PixelsInMemory(private val pixels: Pixels) : PixelSource {
    override val width get() = pixels.width
    override val height get() = pixels.height

    override fun read(region: Region) = pixels.crop(region)
}
