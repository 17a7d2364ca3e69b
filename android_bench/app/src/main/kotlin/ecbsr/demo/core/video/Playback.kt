package ecbsr.demo.core.video

/** The sound of a file. It throws nothing: a file whose sound fails plays on without it. */
interface Sound : AutoCloseable {
    fun start()

    fun pause()

    fun seek(micros: Long)

    /** A position of the sound and the `System.nanoTime` at which it is heard; null before the start and after the end. */
    fun timestamp(): Timestamp?

    class Timestamp(val micros: Long, val nanos: Long)
}

/**
 * The clock of a file: that of its sound while it is heard, and the system's otherwise, as before the sound starts, after
 * its end, and for a file without sound. Pictures follow the sound, because a gap in the sound is more noticeable.
 */
class Playback(private val nanoTime: () -> Long = System::nanoTime) : MediaClock, AutoCloseable {
    private val system = SystemClock(nanoTime)
    private var sound: Sound? = null
    private var isClosed = false

    override val isRunning get() = system.isRunning

    override val positionMicros: Long
        @Synchronized get() {
            val timestamp = if (isRunning) sound?.timestamp() else null
            if (timestamp == null) return system.positionMicros
            val position = timestamp.micros + (nanoTime() - timestamp.nanos) / 1000
            system.seek(position) // the system's clock goes on where the sound ends
            return position
        }

    /** Adds the sound of the file, once it is open. It is closed with the playback. */
    @Synchronized
    fun attach(sound: Sound?) {
        if (isClosed) {
            sound?.close()
            return
        }
        this.sound = sound
        if (positionMicros > 0) sound?.seek(positionMicros)
        if (isRunning) sound?.start()
    }

    @Synchronized
    fun start() {
        if (isRunning || isClosed) return
        system.start()
        sound?.start()
    }

    @Synchronized
    fun pause() {
        if (!isRunning) return
        positionMicros // reads the sound's position a last time
        system.pause()
        sound?.pause()
    }

    @Synchronized
    fun seek(micros: Long) {
        system.seek(micros)
        sound?.seek(micros)
    }

    @Synchronized
    override fun close() {
        isClosed = true
        system.pause()
        sound?.close()
        sound = null
    }
}
