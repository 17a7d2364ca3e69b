package ecbsr.demo.core

/** A picture in memory. */
class PixelsInMemory(private val pixels: Pixels) : PixelSource {
    override val width get() = pixels.width
    override val height get() = pixels.height

    override fun read(region: Region) = pixels.crop(region)
}
