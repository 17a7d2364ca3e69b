package ecbsr.demo.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class RegionTest {
    @Test
    fun containsRegionsUpToItsBorder() {
        val region = Region(2, 3, 10, 12)
        assertTrue(region in region)
        assertTrue(Region(4, 4, 9, 9) in region)
        for (outside in listOf(Region(1, 3, 10, 12), Region(2, 2, 10, 12), Region(2, 3, 11, 12), Region(2, 3, 10, 13))) {
            assertFalse("$outside", outside in region)
        }
    }

    @Test
    fun isLimitedToAPicture() {
        assertEquals(Region(0, 0, 5, 6), Region(-2, -3, 10, 12).within(5, 6))
    }
}
