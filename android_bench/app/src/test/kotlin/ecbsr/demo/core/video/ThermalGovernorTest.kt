package ecbsr.demo.core.video

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class ThermalGovernorTest {
    private val cool = ThermalReading(status = 0)
    private val governor = ThermalGovernor(Effort.entries)

    @Test
    fun aFastAndCoolPhoneKeepsTheFullEffort() {
        assertEquals(setOf(Effort.FULL), seconds(1000, 20.0, cool).toSet())
    }

    @Test
    fun aSlowModelGetsEverySecondPicture() {
        val efforts = seconds(5, 40.0, cool)
        assertEquals(List(2) { Effort.FULL } + List(3) { Effort.HALF_RATE }, efforts) // one slow second is no reason
        assertEquals(Cause.SLOW, governor.cause)
    }

    @Test
    fun aMuchTooSlowModelIsGivenUpStepByStep() {
        assertEquals(listOf(Effort.FULL, Effort.HALF_RATE, Effort.SMALLER_MODEL, Effort.BILINEAR), seconds(12, 90.0, cool).distinct())
    }

    @Test
    fun aHotPhoneDoesLess() {
        for (hot in listOf(ThermalReading(status = 2), ThermalReading(status = 0, headroom = 1.1f), ThermalReading(null, 1f))) {
            val governor = ThermalGovernor(Effort.entries)
            repeat(2) { governor.update(20.0, FRAME, hot) }
            assertEquals("$hot", Effort.HALF_RATE to Cause.HOT, governor.effort to governor.cause)
        }
        assertEquals(Effort.HALF_RATE, governor.update(20.0, FRAME, ThermalReading(status = 3))) // at once
    }

    @Test
    fun itRecoversWhenThePhoneIsCool() {
        seconds(2, 20.0, ThermalReading(status = 2))
        assertEquals(Effort.HALF_RATE, governor.effort)
        val efforts = seconds(10, 20.0, cool)
        assertEquals(9, efforts.indexOf(Effort.FULL))
        assertEquals(Cause.NONE, governor.cause)
    }

    /** Android's headroom is NaN where the phone does not support it, or when it is asked too often. */
    @Test
    fun anUnknownTemperatureIsNotCool() {
        for (unknown in listOf(ThermalReading(), ThermalReading(null, Float.NaN), ThermalReading(status = 1, headroom = Float.NaN))) {
            assertTrue("$unknown", !unknown.isCool && !unknown.isHot)
            val governor = ThermalGovernor(Effort.entries)
            repeat(2) { governor.update(20.0, FRAME, ThermalReading(status = 2)) }
            repeat(1000) { governor.update(10.0, FRAME, unknown) }
            assertEquals("$unknown", Effort.HALF_RATE, governor.effort)
        }
        assertTrue(ThermalReading(status = 0, headroom = Float.NaN).isCool) // the status is known
        assertTrue(!ThermalReading(status = 0, headroom = 0.9f).isCool)
    }

    @Test
    fun aModelThatWasSlowNeedsRoomAndNoKnownTemperature() {
        seconds(3, 40.0, cool)
        assertEquals(setOf(Effort.HALF_RATE), seconds(1000, 30.0, ThermalReading()).toSet()) // 30 of 33 ms: no room
        assertEquals(Effort.FULL, seconds(10, 20.0, ThermalReading()).last())
    }

    /** Each attempt that fails doubles the wait for the next one, so that the picture does not alternate. */
    @Test
    fun failedAttemptsBecomeRare() {
        var changes = 0
        var last = governor.effort
        repeat(3600) {
            // Too slow for every effort but bilinear, which needs no inference.
            val effort = governor.update(if (governor.effort == Effort.BILINEAR) null else 200.0, FRAME, cool)
            if (effort != last) changes++
            last = effort
        }
        assertTrue("$changes changes in an hour", changes < 60)
    }

    @Test
    fun withoutASmallerModelItIsSkipped() {
        val governor = ThermalGovernor(Effort.entries - Effort.SMALLER_MODEL)
        assertEquals(listOf(Effort.FULL, Effort.HALF_RATE, Effort.BILINEAR), List(12) { governor.update(90.0, FRAME, cool) }.distinct())
    }

    private fun seconds(count: Int, inference: Double, thermal: ThermalReading) = List(count) { governor.update(inference, FRAME, thermal) }

    private companion object {
        const val FRAME = 1000 / 30.0
    }
}
