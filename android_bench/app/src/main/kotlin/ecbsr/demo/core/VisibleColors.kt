package ecbsr.demo.core

/** How many pixels beyond what is seen get its colors, as in `ecbsr upscale`. */
private const val SPREAD = 4

/**
 * A picture with the colors of visible pixels spread over fully transparent ones beside them.
 *
 * Nobody sees their own color, which editors often leave black: a filter would blend it into the edges of what is seen. A
 * pixel gets the mean of those of its 8 neighbors that have a color, [SPREAD] times.
 */
internal class VisibleColors(private val source: PixelSource) : PixelSource {
    override val width get() = source.width
    override val height get() = source.height

    override fun read(region: Region): Pixels {
        val around = Region(region.left - SPREAD, region.top - SPREAD, region.right + SPREAD, region.bottom + SPREAD).within(width, height)
        val pixels = source.read(around)
        if (pixels.argb.all { it ushr 24 != 0 }) return pixels.crop(region.from(around))
        return Pixels(pixels.width, pixels.height, spread(pixels)).crop(region.from(around))
    }

    private fun Region.from(around: Region) = Region(left - around.left, top - around.top, right - around.left, bottom - around.top)

    private fun spread(pixels: Pixels): IntArray {
        var argb = pixels.argb
        var known = BooleanArray(argb.size) { argb[it] ushr 24 != 0 }
        repeat(SPREAD) {
            val before = argb
            val knownBefore = known
            argb = before.copyOf()
            known = knownBefore.copyOf()
            for (y in 0 until pixels.height) for (x in 0 until pixels.width) {
                val i = y * pixels.width + x
                if (knownBefore[i]) continue
                var count = 0
                var red = 0
                var green = 0
                var blue = 0
                for (row in maxOf(y - 1, 0)..minOf(y + 1, pixels.height - 1)) for (column in maxOf(x - 1, 0)..minOf(x + 1, pixels.width - 1)) {
                    val neighbor = row * pixels.width + column
                    if (!knownBefore[neighbor]) continue
                    count++
                    red += before[neighbor] ushr 16 and 255
                    green += before[neighbor] ushr 8 and 255
                    blue += before[neighbor] and 255
                }
                if (count == 0) continue
                argb[i] = (mean(red, count) shl 16) or (mean(green, count) shl 8) or mean(blue, count)
                known[i] = true
            }
        }
        return argb
    }

    private fun mean(sum: Int, count: Int) = (2 * sum + count) / (2 * count)
}
