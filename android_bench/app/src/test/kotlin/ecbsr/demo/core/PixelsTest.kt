package ecbsr.demo.core

import org.junit.Assert.assertArrayEquals
import org.junit.Test

class PixelsTest {
    @Test
    fun buildsRowByRow() {
        val pixels = Pixels.build(3, 2) { x, y -> 10 * y + x }
        assertArrayEquals(intArrayOf(0, 1, 2, 10, 11, 12), pixels.argb)
    }

    @Test
    fun crops() {
        val pixels = Pixels.build(4, 3) { x, y -> 10 * y + x }.crop(Region(1, 1, 3, 3))
        assertArrayEquals(intArrayOf(11, 12, 21, 22), pixels.argb)
    }

    @Test
    fun repeatsToAnySize() {
        val pixels = Pixels(2, 1, intArrayOf(1, 2))
        assertArrayEquals(intArrayOf(1, 2, 1, 1, 2, 1), pixels.repeated(Size(3, 2)).argb)
        assertArrayEquals(intArrayOf(1), pixels.repeated(Size(1, 1)).argb)
    }
}
