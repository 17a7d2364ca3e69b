package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A picture for the screen: the frame of the video, and its luma as the model upscales it. */
class ShownFrame {
    var frame: YuvFrame? = null
    var scale = 1

    /** `scale * width` by `scale * height` luma values, or null if the model did not run. */
    var upscaled: ByteBuffer? = null
        private set
    var inferenceMillis = 0.0

    /** Counts the pictures, so that the reader knows a new one. */
    var number = 0L
    private var buffer: ByteBuffer? = null

    /** A buffer for the upscaled luma of a frame of [size]. */
    fun reserve(size: Size, scale: Int): ByteBuffer {
        val count = size.pixels * scale * scale
        val reserved = buffer?.takeIf { it.capacity() == count } ?: ByteBuffer.allocateDirect(count).order(ByteOrder.nativeOrder())
        buffer = reserved
        upscaled = reserved
        this.scale = scale
        return reserved
    }

    /** The model does not run for this picture. */
    fun withoutModel(scale: Int) {
        upscaled = null
        this.scale = scale
        inferenceMillis = 0.0
    }
}
