package ecbsr.demo.core

import java.io.Closeable
import java.nio.ByteBuffer

/** Upscaling by a network. Bicubic upscales what the network does not: alpha, and chroma for a luma model. */
class SrUpscaler(
    private val model: SrModel,
    private val engines: EngineFactory,
    private val backend: Backend = Backend.Cpu(threads = 4),
) : Upscaler, Closeable {
    override val scale get() = model.scale
    override val halo get() = maxOf(model.halo, Bicubic.HALO)
    override val step get() = model.step
    override val fixedSize get() = model.fixedSize
    private val bicubic = Bicubic(scale)
    private var session: Session? = null

    override fun upscale(tile: Pixels): IntArray {
        val planes = run(tile)
        val upscaled = if (model.channels == 3) Color.fromRgb(planes) else {
            val cb = bicubic.upscale(Color.cb(tile.argb), tile.width, tile.height)
            val cr = bicubic.upscale(Color.cr(tile.argb), tile.width, tile.height)
            Color.fromYCbCr(planes.single(), cb, cr)
        }
        bicubic.upscaleAlpha(tile, upscaled)
        return upscaled
    }

    override fun close() {
        session?.engine?.close()
        session = null
    }

    private fun run(tile: Pixels): List<FloatArray> {
        val (size, engine, input, output) = sessionFor(Size(tile.width, tile.height))
        model.input.write(model.inputPlanes(tile.argb), input)
        output.rewind()
        engine.run(input, output)
        return model.outputPlanes(output, size)
    }

    /** The tiles of a picture have one size, so the engine is opened once. */
    private fun sessionFor(size: Size): Session {
        session?.takeIf { it.size == size }?.let { return it }
        close()
        val engine = engines.open(model.resized(size), backend)
        return Session(size, engine, model.inputBuffer(size), model.outputBuffer(size)).also { session = it }
    }

    private data class Session(val size: Size, val engine: Engine, val input: ByteBuffer, val output: ByteBuffer)
}
