package ecbsr.demo.core.video

import kotlin.concurrent.thread
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

/** Mailbox and triple buffer. */
class HandoverTest {
    @Test
    fun aLiveMailboxKeepsTheNewest() {
        val mailbox = Mailbox<Int>(isLive = true)
        assertEquals(listOf(null, 1, 2), (1..3).map(mailbox::put))
        assertEquals(3, mailbox.take())
    }

    @Test
    fun aFileWaitsAndLosesNothing() {
        val mailbox = Mailbox<Int>(isLive = false)
        val received = mutableListOf<Int>()
        val reader = thread { while (true) received += mailbox.take() ?: break }
        val writer = thread { for (i in 1..1000) assertNull(mailbox.put(i)) }
        writer.join()
        while (received.size < 1000) Thread.yield()
        mailbox.close()
        reader.join()
        assertEquals((1..1000).toList(), received)
    }

    @Test
    fun clearAndCloseReleaseAWaitingWriter() {
        val mailbox = Mailbox<Int>(isLive = false)
        val returned = mutableListOf<Int?>()
        val writer = thread { for (i in 1..3) returned += mailbox.put(i) }
        waitUntilBlocked(writer)
        assertEquals(1, mailbox.clear())
        waitUntilBlocked(writer)
        mailbox.close()
        writer.join()
        assertEquals(listOf(null, null, 3), returned)
        assertNull(mailbox.take())
    }

    @Test
    fun theReaderGetsTheNewestAndNeverTheWritersInstance() {
        val buffer = TripleBuffer(IntArray(2), IntArray(2), IntArray(2))
        val writer = thread {
            for (i in 1..100_000) {
                buffer.back[0] = i
                buffer.back[1] = -i
                buffer.publish()
            }
        }
        var last = 0
        while (last < 100_000) {
            val (value, opposite) = buffer.latest()
            assertEquals(value, -opposite)
            assertTrue(value >= last)
            last = value
        }
        writer.join()
    }

    @Test
    fun publishReportsWhatTheReaderMissed() {
        val buffer = TripleBuffer(0, 1, 2)
        assertEquals(listOf(false, true), List(2) { buffer.publish() })
        buffer.latest()
        assertEquals(false, buffer.publish())
    }
}

/** Waits until a thread waits for another one. */
fun waitUntilBlocked(thread: Thread) {
    while (thread.state !in listOf(Thread.State.WAITING, Thread.State.TIMED_WAITING)) {
        check(thread.isAlive) { "the thread has ended" }
        Thread.yield()
    }
}
