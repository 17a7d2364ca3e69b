package ecbsr.demo.core.video

/** The position of a file that plays, from its sound or from the system's clock. Any thread may use it. */
interface MediaClock {
    val isRunning: Boolean
    val positionMicros: Long
}

/** The position of a file without sound. */
class SystemClock(private val nanoTime: () -> Long = System::nanoTime) : MediaClock {
    private var anchorNanos = 0L
    private var anchorMicros = 0L
    private var running = false

    override val isRunning @Synchronized get() = running
    override val positionMicros
        @Synchronized get() = if (running) anchorMicros + (nanoTime() - anchorNanos) / 1000 else anchorMicros

    @Synchronized
    fun start() {
        anchorNanos = nanoTime()
        running = true
    }

    @Synchronized
    fun pause() {
        anchorMicros = positionMicros
        running = false
    }

    @Synchronized
    fun seek(micros: Long) {
        anchorMicros = micros
        anchorNanos = nanoTime()
    }
}
