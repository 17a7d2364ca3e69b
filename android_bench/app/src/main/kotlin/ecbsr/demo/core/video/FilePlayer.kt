package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException

/** Decodes the pictures of a file in order. One thread uses it. */
interface VideoDecoder : AutoCloseable {
    /** The length of the file, or 0 if unknown. */
    val durationMicros: Long

    /**
     * Decodes the next picture.
     *
     * @param sink receives the time of the picture, its size, and a function that writes it into a frame.
     * @return false at the end of the file.
     * @throws UserFacingException when decoding fails.
     */
    fun next(sink: (timeMicros: Long, size: Size, fill: (YuvFrame) -> Unit) -> Unit): Boolean

    /** Continues at the last key frame that is not after [micros]. */
    fun seek(micros: Long)
}

/** Receives the events of a file on its decoder thread. */
interface FileListener {
    fun onOpened(durationMicros: Long)

    /** The file cannot be played, or not further. */
    fun onFailed(message: String)
}

/** Plays a file: decodes it on a thread of its own, jumps, and starts again at its end. */
class FilePlayer(
    private val open: () -> VideoDecoder,
    private val playback: Playback,
    private val pipeline: VideoPipeline,
    private val listener: FileListener,
) : AutoCloseable {
    private val lock = Object()
    private var target: Long? = null
    private var isClosed = false
    private val thread = Thread(::run, "decoder")

    fun start() = thread.start()

    /** Jumps to [micros]. Any thread may call it. */
    fun seek(micros: Long) {
        synchronized(lock) {
            if (isClosed) return
            target = micros.coerceAtLeast(0)
            playback.seek(target!!)
            pipeline.restart() // releases the decoder thread, which can wait for the pipeline
            lock.notifyAll()
        }
    }

    /** Ends the thread. The pipeline must be closed first, so that the thread does not wait for it. */
    override fun close() {
        synchronized(lock) {
            isClosed = true
            lock.notifyAll()
        }
        thread.join()
        playback.close()
    }

    private fun run() {
        try {
            open().use { decoder ->
                listener.onOpened(decoder.durationMicros)
                play(decoder)
            }
        } catch (error: UserFacingException) {
            fail(error.message)
        } catch (error: RuntimeException) { // of the phone's media classes, which can throw anything for a strange file
            fail("The video cannot be played: $error")
        } catch (_: OutOfMemoryError) {
            fail("The phone has not enough memory for this video.")
        }
    }

    private fun fail(message: String) {
        if (!synchronized(lock) { isClosed }) listener.onFailed(message)
    }

    private fun play(decoder: VideoDecoder) {
        var skipUntil = 0L
        var count = 0
        while (true) {
            val jump = synchronized(lock) {
                if (isClosed) return
                target.also { target = null }
            }
            if (jump != null) {
                decoder.seek(jump)
                skipUntil = jump
                count = 0
            }
            val hasMore = decoder.next { timeMicros, size, fill ->
                val generation = pipeline.generation // before the check: a jump after it makes the picture obsolete
                // Key frames are seconds apart: what lies before the target is decoded, but not shown.
                if (timeMicros >= skipUntil && synchronized(lock) { target == null }) {
                    count++
                    pipeline.submit(size, generation) { frame ->
                        fill(frame)
                        frame.timeMicros = timeMicros
                    }
                }
            }
            if (!hasMore && synchronized(lock) { target == null }) {
                if (count > 0) {
                    awaitEnd(decoder.durationMicros)
                } else if (skipUntil > 0) {
                    seek(0) // behind the last picture: only a picture starts the clock, whose end could be waited for
                } else {
                    throw UserFacingException("The video has no pictures.")
                }
            }
        }
    }

    /** Waits until the file is over, and starts it again. */
    private fun awaitEnd(durationMicros: Long) {
        synchronized(lock) {
            while (!isClosed && target == null && !(playback.isRunning && playback.positionMicros >= durationMicros)) {
                lock.wait(POLL_MILLIS)
            }
            if (isClosed || target != null) return
        }
        seek(0)
    }

    private companion object {
        const val POLL_MILLIS = 10L
    }
}
