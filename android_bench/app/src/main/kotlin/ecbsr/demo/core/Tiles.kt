package ecbsr.demo.core

/**
 * One tile along one axis: the method sees pixels [from] until [until], and of its result the part that
 * belongs to pixels [validFrom] until [validUntil] is exact.
 */
data class Span(val from: Int, val until: Int, val validFrom: Int, val validUntil: Int) {
    val length get() = until - from
}

/**
 * Cuts pixels [from] until [until] of an axis of [length] into tiles of one size, [tile] or [length] if that is
 * less. Neighbours overlap by the halo on both sides, except at the picture's border, where there is nothing
 * to see beyond; the last tile is moved inwards rather than cut.
 */
fun spans(length: Int, from: Int, until: Int, tile: Int, halo: Int): List<Span> {
    val size = minOf(tile, length)
    require(size == length || size > 2 * halo) { "tile $tile leaves nothing inside a halo of $halo" }
    val out = mutableListOf<Span>()
    var done = from
    while (done < until) {
        val start = (if (done == 0) 0 else done - halo).coerceIn(0, length - size)
        val end = start + size
        val valid = minOf(until, if (end == length) length else end - halo)
        out += Span(start, end, done, valid)
        done = valid
    }
    return out
}

/** Enlarges a tile by a fixed factor; a pixel of the result depends on the pixels around it up to [halo]. */
interface TileMethod {
    val scale: Int
    val halo: Int

    /** The size that every tile must have, or null for any. */
    val fixedSize: Size?

    /** @return pixels of `scale * width` by `scale * height`, alpha included. */
    fun enlarge(tile: Pixels): IntArray
}

/** Takes finished rows from top to bottom: [argb] holds [count] rows of the result, and more that is not used. */
fun interface RowSink {
    fun rows(argb: IntArray, count: Int)
}

/** LR pixels along the side of a tile: the halo costs little, and its activations fit a phone's caches. */
private const val TILE = 256

/** Most result pixels held at once while rows are handed on: 32 MB. */
private const val BAND_PIXELS = 8_000_000

/**
 * Enlarges [region] of [source] in tiles, equal to enlarging the whole picture and cutting the result out.
 *
 * @throws Refused when the picture cannot be read or the method fails.
 * @throws Cancelled when [job] was.
 */
fun enlarge(source: PixelSource, region: Region, method: TileMethod, job: Job, sink: RowSink) {
    val scale = method.scale
    val padded = method.fixedSize?.let { AtLeast(source, it) } ?: source
    val columns = spans(padded.width, region.left, region.right, method.fixedSize?.width ?: side(method), method.halo)
    val rows = spans(padded.height, region.top, region.bottom, method.fixedSize?.height ?: bandHeight(region, method), method.halo)
    val width = region.width * scale
    val band = IntArray(width * rows.maxOf { it.validUntil - it.validFrom } * scale)
    for ((r, row) in rows.withIndex()) {
        val strip = padded.read(Region(columns.first().from, row.from, columns.last().until, row.until))
        for ((c, column) in columns.withIndex()) {
            job.step(r * columns.size + c, rows.size * columns.size)
            val left = column.from - columns.first().from
            val tile = method.enlarge(strip.crop(Region(left, 0, left + column.length, row.length)))
            val cut = (column.validUntil - column.validFrom) * scale
            for (y in 0 until (row.validUntil - row.validFrom) * scale) {
                val from = ((row.validFrom - row.from) * scale + y) * column.length * scale + (column.validFrom - column.from) * scale
                tile.copyInto(band, y * width + (column.validFrom - region.left) * scale, from, from + cut)
            }
        }
        sink.rows(band, (row.validUntil - row.validFrom) * scale)
    }
    job.step(1, 1)
}

/** The same, collected into one picture in memory. */
fun enlargeToPixels(source: PixelSource, region: Region, method: TileMethod, job: Job = Job()): Pixels {
    val width = region.width * method.scale
    val out = IntArray(width * region.height * method.scale)
    var filled = 0
    enlarge(source, region, method, job) { argb, count ->
        argb.copyInto(out, filled, 0, width * count)
        filled += width * count
    }
    return Pixels(width, region.height * method.scale, out)
}

private fun bandHeight(region: Region, method: TileMethod): Int {
    val most = BAND_PIXELS / (region.width.toLong() * method.scale * method.scale)
    return most.coerceIn(2L * method.halo + 16, side(method).toLong()).toInt()
}

private fun side(method: TileMethod) = maxOf(TILE, 4 * method.halo)

/** A picture with its last column and row repeated up to a least size, for a model that takes one size only. */
private class AtLeast(private val source: PixelSource, size: Size) : PixelSource {
    override val width = maxOf(source.width, size.width)
    override val height = maxOf(source.height, size.height)
    override val hasAlpha get() = source.hasAlpha

    override fun read(region: Region): Pixels {
        val there = source.read(region.within(source.width, source.height))
        if (there.width == region.width && there.height == region.height) return there
        return Pixels(region.width, region.height, IntArray(region.width * region.height) {
            val (x, y) = it % region.width to it / region.width
            there.argb[y.coerceAtMost(there.height - 1) * there.width + x.coerceAtMost(there.width - 1)]
        })
    }
}
