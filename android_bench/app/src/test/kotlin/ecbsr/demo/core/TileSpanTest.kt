package ecbsr.demo.core

import java.util.Random
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class TileSpanTest {
    @Test
    fun tilesCoverEveryPixelOnceWithTheirHalo() {
        val random = Random(1)
        repeat(2000) {
            val length = 1 + random.nextInt(400)
            val halo = random.nextInt(12)
            val step = 1 + random.nextInt(3)
            val tile = 2 * halo + step + random.nextInt(100)
            val start = random.nextInt(length)
            val end = start + 1 + random.nextInt(length - start)
            val spans = tileSpans(length, start, end, tile, halo, step)
            assertEquals(start, spans.first().validStart)
            assertEquals(end, spans.last().validEnd)
            for ((a, b) in spans.zipWithNext()) assertEquals(a.validEnd, b.validStart)
            for (span in spans) {
                val missing = minOf(tile, length) - span.length
                assertTrue("$span", span.start % step == 0 && missing in 0 until step && (missing == 0 || span.end == length))
                assertTrue("$span", span.start >= 0 && span.end <= length && span.validStart < span.validEnd)
                assertTrue("$span", span.start == 0 || span.start <= span.validStart - halo)
                assertTrue("$span", span.end == length || span.end >= span.validEnd + halo)
            }
        }
    }
}
