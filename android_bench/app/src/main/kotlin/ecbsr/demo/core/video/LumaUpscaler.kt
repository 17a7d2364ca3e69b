package ecbsr.demo.core.video

import ecbsr.demo.core.Backend
import ecbsr.demo.core.Color
import ecbsr.demo.core.Delegation
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.Engine
import ecbsr.demo.core.Size
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.TensorFormat
import ecbsr.demo.core.UserFacingException
import java.io.Closeable
import java.nio.ByteBuffer
import java.nio.FloatBuffer

/**
 * Upscales the luma of a video. The thread that opens an instance also uses and closes it, because a GPU delegate works
 * only on the thread that made it.
 *
 * Models are trained on luma of limited range (BT.601). Luma of full range is converted to that and back.
 *
 * @throws UserFacingException when the backend is unavailable, or the model cannot upscale such a video.
 */
class LumaUpscaler(
    val model: SrModel,
    engines: EngineFactory,
    val backend: Backend,
    val size: Size,
    val isFullRange: Boolean,
) : Closeable {
    private val input: ByteBuffer
    private val output: ByteBuffer
    private val engine: Engine
    private val thread = Thread.currentThread()

    // What the model stores for each luma value, and the luma value of each byte that it stores.
    private val toStored: ByteArray
    private val toStoredFloats: FloatArray
    private val fromStored: ByteArray

    // pixel = offset + slope * value, for a model with floats.
    private val offset: Float
    private val slope: Float
    private val bytes = ByteArray(CHUNK)
    private val floats = FloatArray(CHUNK)

    init {
        if (model.channels != 1) throw UserFacingException("${model.name} takes RGB: choose a luma model for video.")
        input = model.inputBuffer(size)
        output = model.outputBuffer(size)
        val lumas = FloatArray(256) { if (isFullRange) 16 + it * 219 / 255f else it.toFloat() }
        val stored = model.input.buffer(256).also { model.input.write(listOf(lumas), it) }
        toStored = ByteArray(256)
        toStoredFloats = FloatArray(256)
        if (model.input.type == TensorFormat.FLOAT32) stored.asFloatBuffer().get(toStoredFloats) else stored.get(toStored)
        fromStored = ByteArray(256)
        if (model.output.type == TensorFormat.FLOAT32) {
            val ends = model.output.buffer(2).apply { putFloat(0f).putFloat(1f).rewind() }
            val (zero, one) = model.output.read(ends, 1, 2).single().toList()
            offset = zero
            slope = one - zero
        } else {
            val every = model.output.buffer(256).apply { for (i in 0 until 256) put(i.toByte()); rewind() }
            model.output.read(every, 1, 256).single().forEachIndexed { i, pixel -> fromStored[i] = luma(pixel) }
            offset = 0f
            slope = 0f
        }
        engine = engines.open(model.resized(size), backend)
    }

    /** What part of the model the backend runs, as in the timing. */
    internal val delegation = Delegation.of(backend, model.nodes, engine.planLength)

    /**
     * Upscales the luma of [frame] into [target], which gets `scale * width` by `scale * height` bytes.
     *
     * @throws UserFacingException when inference fails.
     */
    fun upscale(frame: YuvFrame, target: ByteBuffer) {
        check(Thread.currentThread() === thread) { "the engine belongs to another thread" }
        require(frame.size == size && frame.color.isFullRange == isFullRange)
        store(frame.y.duplicate())
        output.rewind()
        engine.run(input, output)
        load(target)
    }

    override fun close() = engine.close()

    private fun store(luma: ByteBuffer) {
        input.rewind()
        val floatInput = if (model.input.type == TensorFormat.FLOAT32) input.asFloatBuffer() else null
        luma.rewind()
        while (luma.hasRemaining()) {
            val count = minOf(CHUNK, luma.remaining())
            luma.get(bytes, 0, count)
            if (floatInput != null) {
                for (i in 0 until count) floats[i] = toStoredFloats[bytes[i].toInt() and 255]
                floatInput.put(floats, 0, count)
            } else {
                for (i in 0 until count) bytes[i] = toStored[bytes[i].toInt() and 255]
                input.put(bytes, 0, count)
            }
        }
        input.rewind()
    }

    private fun load(target: ByteBuffer) {
        output.rewind()
        target.clear()
        val floatOutput: FloatBuffer? = if (model.output.type == TensorFormat.FLOAT32) output.asFloatBuffer() else null
        val stored = model.outputSize(size)
        val width = size.width * model.scale
        for (row in 0 until size.height * model.scale) {
            for (column in 0 until width step CHUNK) {
                val count = minOf(CHUNK, width - column)
                val from = row * stored.width + column
                if (floatOutput != null) {
                    floatOutput.position(from)
                    floatOutput.get(floats, 0, count)
                    for (i in 0 until count) bytes[i] = luma(offset + slope * floats[i])
                } else {
                    output.position(from)
                    output.get(bytes, 0, count)
                    for (i in 0 until count) bytes[i] = fromStored[bytes[i].toInt() and 255]
                }
                target.put(bytes, 0, count)
            }
        }
        target.flip()
    }

    /** The byte of a luma value in 0..255 of limited range, in the range of the video. */
    private fun luma(pixel: Float) = Color.round(if (isFullRange) (pixel - 16) * 255 / 219f else pixel).toByte()

    private companion object {
        const val CHUNK = 4096
    }
}
