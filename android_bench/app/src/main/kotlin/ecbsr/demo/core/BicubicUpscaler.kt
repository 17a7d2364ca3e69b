package ecbsr.demo.core

/** Bicubic upscaling of every channel, the baseline for super-resolution. */
class BicubicUpscaler(override val scale: Int) : Upscaler {
    private val bicubic = Bicubic(scale)
    override val halo get() = Bicubic.HALO
    override val fixedSize: Size? get() = null

    override fun upscale(tile: Pixels): IntArray {
        val planes = Color.rgb(tile.argb).map { bicubic.upscaleRounded(it, tile.width, tile.height) }
        return Color.fromRgb(planes).also { bicubic.upscaleAlpha(tile, it) }
    }
}

/** Gives [upscaled] the alpha of [tile]. */
internal fun Bicubic.upscaleAlpha(tile: Pixels, upscaled: IntArray) {
    if (tile.argb.all { it ushr 24 == 255 }) return
    val alpha = upscale(Color.alpha(tile.argb), tile.width, tile.height)
    for (i in upscaled.indices) upscaled[i] = (upscaled[i] and 0xffffff) or (Color.round(alpha[i]) shl 24)
}
