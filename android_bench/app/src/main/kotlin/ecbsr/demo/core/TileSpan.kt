package ecbsr.demo.core

/**
 * A tile along one axis. The tile contains the pixels from [start] to [end]; its result is valid for the pixels
 * from [validStart] to [validEnd]. Both ends are exclusive.
 */
data class TileSpan(val start: Int, val end: Int, val validStart: Int, val validEnd: Int) {
    val length get() = end - start
    val validLength get() = validEnd - validStart
}

/**
 * Divides the pixels from [start] to [end] of an axis of [length] into tiles of size [tile], or [length] if that is
 * less. Neighbors overlap by the halo on both sides, except at the picture's border. Tiles start at multiples of [step],
 * so the last tile is shifted inward and shortened by less than that.
 */
fun tileSpans(length: Int, start: Int, end: Int, tile: Int, halo: Int, step: Int = 1): List<TileSpan> {
    val size = minOf(tile, length)
    require(size == length || size > 2 * halo + step - 1) { "a tile of $tile pixels contains only its halo of $halo" }
    val spans = mutableListOf<TileSpan>()
    val lastStart = (length - size + step - 1) / step * step
    var position = start
    while (position < end) {
        val tileStart = ((if (position == 0) 0 else position - halo).coerceAtLeast(0) / step * step).coerceAtMost(lastStart)
        val tileEnd = minOf(tileStart + size, length)
        val validEnd = minOf(end, if (tileEnd == length) length else tileEnd - halo)
        spans += TileSpan(tileStart, tileEnd, position, validEnd)
        position = validEnd
    }
    return spans
}
