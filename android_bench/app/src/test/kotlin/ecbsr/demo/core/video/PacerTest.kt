package ecbsr.demo.core.video

import java.util.concurrent.FutureTask
import kotlin.concurrent.thread
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class PacerTest {
    private class TestClock : MediaClock {
        @Volatile override var isRunning = true
        @Volatile var reads = 0
            private set
        @Volatile override var positionMicros = 0L
            get() {
                reads++
                return field
            }
    }

    private val clock = TestClock()
    private val pacer = Pacer(clock)

    @Test
    fun theFirstPictureIsShownAtOnceAlsoWhilePaused() {
        clock.isRunning = false
        assertTrue(pacer.await(5_000_000, 0))
        val second = await(5_040_000)
        waitUntilBlocked(second.first)
        assertFalse(second.second.isDone)
        pacer.close()
        assertFalse(second.second.get())
    }

    @Test
    fun picturesWaitForTheClock() {
        pacer.await(0, 0)
        val next = await(40_000)
        waitUntilBlocked(next.first)
        clock.positionMicros = 39_000
        val reads = clock.reads
        while (clock.reads < reads + 2) Thread.yield() // one of them may have begun before
        assertFalse(next.second.isDone)
        clock.positionMicros = 40_000
        assertTrue(next.second.get())
        assertTrue(pacer.await(20_000, 0)) // due already
    }

    @Test
    fun aJumpDiscardsWhatPrecedesIt() {
        pacer.await(0, 0)
        val waiting = await(40_000)
        waitUntilBlocked(waiting.first)
        pacer.restart()
        assertFalse(waiting.second.get())
        assertFalse(pacer.await(80_000, 0)) // decoded before the jump
        assertEquals(1, pacer.generation)
        assertTrue(pacer.await(9_000_000, 1)) // the first one after it
    }

    @Test
    fun latePicturesAreNotWorthTheirInference() {
        pacer.await(0, 0)
        clock.positionMicros = 100_000
        assertFalse(pacer.isLate(40_000))
        assertTrue(pacer.isLate(39_000))
        clock.isRunning = false
        assertFalse(pacer.isLate(0))
    }

    @Test
    fun theSystemClockPausesAndJumps() {
        var nanos = 0L
        val clock = SystemClock { nanos }
        nanos = 5_000_000
        assertEquals(0, clock.positionMicros)
        clock.start()
        nanos = 8_000_000
        assertEquals(3000, clock.positionMicros)
        clock.pause()
        nanos = 20_000_000
        assertEquals(3000L to false, clock.positionMicros to clock.isRunning)
        clock.seek(1_000_000)
        clock.start()
        nanos = 21_000_000
        assertEquals(1_001_000, clock.positionMicros)
    }

    private fun await(timeMicros: Long): Pair<Thread, FutureTask<Boolean>> {
        val task = FutureTask { pacer.await(timeMicros, 0) }
        return thread(block = task::run) to task
    }
}
