package ecbsr.demo.core

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test

class OrientationTest {
    @Test
    fun turnsPicturesAsExifDefines() {
        // The upright pixels of a stored 3x2 picture, from the table of Exif 2.3.
        val stored = Pixels(3, 2, intArrayOf(0, 1, 2, 3, 4, 5))
        val upright = mapOf(
            1 to listOf(0, 1, 2, 3, 4, 5), 2 to listOf(2, 1, 0, 5, 4, 3), 3 to listOf(5, 4, 3, 2, 1, 0),
            4 to listOf(3, 4, 5, 0, 1, 2), 5 to listOf(0, 3, 1, 4, 2, 5), 6 to listOf(3, 0, 4, 1, 5, 2),
            7 to listOf(5, 2, 4, 1, 3, 0), 8 to listOf(2, 5, 1, 4, 0, 3),
        )
        for ((exif, expected) in upright) assertEquals("$exif", expected, Orientation.of(exif).upright(stored).argb.toList())
        assertEquals(Orientation.UPRIGHT, Orientation.of(0))
    }

    @Test
    fun findsTheStoredRegionOfAnUprightRegion() {
        val stored = Pixels.build(3, 5) { x, y -> 3 * y + x }
        for (orientation in Orientation.entries) {
            val whole = orientation.upright(stored)
            val region = Region(1, 1, whole.width - 1, whole.height)
            val storedRegion = orientation.stored(region, stored.width, stored.height)
            val part = orientation.upright(stored.crop(storedRegion))
            assertArrayEquals("$orientation", whole.crop(region).argb, part.argb)
        }
    }
}
