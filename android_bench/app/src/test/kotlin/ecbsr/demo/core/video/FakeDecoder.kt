package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException

/**
 * A file of copies of one picture, 25 per second, with a key frame each second. It stands for the phone's decoder,
 * which a desktop does not have.
 */
class FakeDecoder(private val picture: YuvFrame, private val count: Int = 100, private val failAt: Int = -1) : VideoDecoder {
    private var next = 0

    @Volatile var isClosed = false
        private set

    @Volatile var decoded = 0
        private set

    override val durationMicros get() = count * FRAME_MICROS

    override fun next(sink: (timeMicros: Long, size: Size, fill: (YuvFrame) -> Unit) -> Unit): Boolean {
        if (next == count) return false
        if (next == failAt) throw UserFacingException("The phone's decoder failed: test.")
        decoded++
        val time = next++ * FRAME_MICROS
        sink(time, picture.size) { frame ->
            frame.copyPlanes(picture)
            frame.color = picture.color
            frame.rotation = picture.rotation
        }
        return true
    }

    override fun seek(micros: Long) {
        next = (micros / 1_000_000 * 25).toInt().coerceAtMost(count)
    }

    override fun close() {
        isClosed = true
    }

    companion object {
        const val FRAME_MICROS = 40_000L
    }
}
