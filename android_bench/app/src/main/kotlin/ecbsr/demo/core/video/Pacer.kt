package ecbsr.demo.core.video

/**
 * Holds back the pictures of a file until its clock reaches them. A picture that is later than [toleranceMicros] is
 * not worth its inference. After a jump, the first picture is due at once, also while the file is paused.
 */
class Pacer(private val clock: MediaClock, private val toleranceMicros: Long = 60_000) {
    private val lock = Object()
    private var isClosed = false
    private var showsNext = true

    /** The number of jumps so far. A picture belongs to the generation in which the decoder gave it. */
    var generation = 0
        get() = synchronized(lock) { field }
        private set

    /** Waits for the clock's time [timeMicros]. @return false if the picture precedes a jump, or after [close]. */
    fun await(timeMicros: Long, ofGeneration: Int): Boolean = synchronized(lock) {
        if (!isClosed && generation == ofGeneration && showsNext) {
            showsNext = false
            return true
        }
        while (!isClosed && generation == ofGeneration) {
            val remaining = timeMicros - clock.positionMicros
            if (clock.isRunning && remaining <= 0) return true
            // The clock can start, stop and jump, so that a wait is short.
            lock.wait((remaining / 1000).coerceIn(1, MAX_WAIT_MILLIS))
        }
        false
    }

    /** Whether the picture is late already. */
    fun isLate(timeMicros: Long): Boolean = synchronized(lock) {
        !showsNext && clock.isRunning && clock.positionMicros - timeMicros > toleranceMicros
    }

    /** Shows the next picture at once. For a jump in the file. */
    fun restart() = synchronized(lock) {
        generation++
        showsNext = true
        lock.notifyAll()
    }

    fun close() = synchronized(lock) {
        isClosed = true
        lock.notifyAll()
    }

    private companion object {
        const val MAX_WAIT_MILLIS = 10L
    }
}
