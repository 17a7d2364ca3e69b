package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * A picture of a video in YUV 4:2:0 with 8 bits. The planes are direct buffers, row-major without padding.
 *
 * @property size the size of luma; chroma has half of it in each direction, rounded up.
 */
class YuvFrame(val size: Size) {
    val chromaSize = Size((size.width + 1) / 2, (size.height + 1) / 2)
    val y = plane(size)
    val u = plane(chromaSize)
    val v = plane(chromaSize)
    var color = VideoColor(isFullRange = false, isBt709 = false, chromaIsLeft = true)

    /** Clockwise, in degrees, from the stored to the upright picture: 0, 90, 180 or 270. */
    var rotation = 0

    /** When the camera captured it, on the clock of `System.nanoTime`; 0 for a file. */
    var captureNanos = 0L

    /** When a file shows it, or when the camera captured it on any clock. */
    var timeMicros = 0L

    /** Which jump in the file it follows; see [Pacer]. */
    internal var generation = 0

    private fun plane(size: Size): ByteBuffer = ByteBuffer.allocateDirect(size.pixels).order(ByteOrder.nativeOrder())
}

/** Frames that are used again, so that a video does not allocate memory for each picture. Any thread may use it. */
class FramePool {
    private val free = ArrayDeque<YuvFrame>()

    @Synchronized
    fun obtain(size: Size): YuvFrame {
        free.removeAll { it.size != size }
        return free.removeLastOrNull() ?: YuvFrame(size)
    }

    @Synchronized
    fun release(frame: YuvFrame) {
        free.addLast(frame)
    }
}
