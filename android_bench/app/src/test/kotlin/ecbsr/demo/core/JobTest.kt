package ecbsr.demo.core

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class JobTest {
    @Test
    fun reportsProgressUntilItIsCanceled() {
        val reports = mutableListOf<Pair<Int, Int>>()
        val job = Job { done, total -> reports += done to total }
        job.throwIfCanceled()
        job.report(1, 3)
        job.cancel()
        assertThrows(CanceledException::class.java) { job.throwIfCanceled() }
        assertThrows(CanceledException::class.java) { job.report(2, 3) }
        assertEquals(listOf(1 to 3, 2 to 3), reports)
    }
}
