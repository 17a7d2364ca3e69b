package ecbsr.demo.core

/** The side of a tile in input pixels: the halo costs little, and the activations fit into a phone's caches. */
private const val TILE = 256

/** The maximum number of output pixels in memory while rows are written: 32 MB. */
private const val BAND_PIXELS = 8_000_000

/**
 * Upscales [region] of [source] in tiles. The result equals that part of the upscaled whole picture if the halo of the
 * [upscaler] covers its receptive field.
 *
 * @param sink receives the finished rows from top to bottom; only the first `rows` rows of `argb` are valid.
 * @throws UserFacingException when the picture cannot be read or the upscaler fails.
 * @throws CanceledException when [job] is canceled.
 */
fun upscale(source: PixelSource, region: Region, upscaler: Upscaler, job: Job, sink: (argb: IntArray, rows: Int) -> Unit) {
    val scale = upscaler.scale
    val visible = VisibleColors(source)
    val padded = upscaler.fixedSize?.let { PaddedSource(visible, it) } ?: visible
    val tileWidth = upscaler.fixedSize?.width ?: tileSide(upscaler)
    val tileHeight = upscaler.fixedSize?.height ?: bandHeight(region, upscaler)
    val columns = tileSpans(padded.width, region.left, region.right, tileWidth, upscaler.halo, upscaler.step)
    val rows = tileSpans(padded.height, region.top, region.bottom, tileHeight, upscaler.halo, upscaler.step)
    val width = region.width * scale
    val band = IntArray(width * rows.maxOf { it.validLength } * scale)
    for ((r, row) in rows.withIndex()) {
        val strip = padded.read(Region(columns.first().start, row.start, columns.last().end, row.end))
        for ((c, column) in columns.withIndex()) {
            job.report(r * columns.size + c, rows.size * columns.size)
            val left = column.start - columns.first().start
            val tile = upscaler.upscale(strip.crop(Region(left, 0, left + column.length, row.length)))
            for (y in 0 until row.validLength * scale) {
                val tileRow = (row.validStart - row.start) * scale + y
                val from = (tileRow * column.length + column.validStart - column.start) * scale
                tile.copyInto(band, y * width + (column.validStart - region.left) * scale, from, from + column.validLength * scale)
            }
        }
        sink(band, row.validLength * scale)
    }
    job.report(1, 1)
}

/** [upscale] into one picture in memory. */
fun upscaleToPixels(source: PixelSource, region: Region, upscaler: Upscaler, job: Job = Job()): Pixels {
    val width = region.width * upscaler.scale
    val height = region.height * upscaler.scale
    val result = IntArray(width * height)
    var filled = 0
    upscale(source, region, upscaler, job) { argb, rows ->
        argb.copyInto(result, filled, 0, width * rows)
        filled += width * rows
    }
    return Pixels(width, height, result)
}

private fun bandHeight(region: Region, upscaler: Upscaler): Int {
    val maxHeight = BAND_PIXELS / (region.width.toLong() * upscaler.scale * upscaler.scale)
    return maxHeight.coerceIn(2L * upscaler.halo + 16, tileSide(upscaler).toLong()).toInt()
}

private fun tileSide(upscaler: Upscaler) = maxOf(TILE, 4 * upscaler.halo)

/** A picture with its last column and row replicated up to a minimum size, for a model with a fixed size. */
private class PaddedSource(private val source: PixelSource, minSize: Size) : PixelSource {
    override val width = maxOf(source.width, minSize.width)
    override val height = maxOf(source.height, minSize.height)

    override fun read(region: Region): Pixels {
        val pixels = source.read(region.within(source.width, source.height))
        if (pixels.width == region.width && pixels.height == region.height) return pixels
        return Pixels.build(region.width, region.height) { x, y ->
            pixels.argb[minOf(y, pixels.height - 1) * pixels.width + minOf(x, pixels.width - 1)]
        }
    }
}
