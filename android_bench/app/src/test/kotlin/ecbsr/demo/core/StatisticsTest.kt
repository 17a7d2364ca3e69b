package ecbsr.demo.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

class StatisticsTest {
    @Test
    fun equalsKnownValues() {
        val values = (1..20).map { it.toDouble() }
        assertEquals(10.5, Statistics.median(values), 0.0)
        assertEquals(19.05, Statistics.percentile(values, 0.95), 1e-9)
        assertEquals(6.0 to 15.0, Statistics.interval(values)) // the table of binomial ranks for n = 20
        assertEquals(1.0 to 6.0, Statistics.interval((1..6).map { it.toDouble() }))
        assertNull(Statistics.interval(listOf(1.0, 2.0)))
    }
}
