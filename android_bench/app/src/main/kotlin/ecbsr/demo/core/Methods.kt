package ecbsr.demo.core

import java.io.Closeable
import java.nio.ByteBuffer

/** Bicubic enlargement of every channel, the measure that super-resolution is compared with. */
class BicubicMethod(override val scale: Int) : TileMethod {
    private val bicubic = Bicubic(scale)
    override val halo get() = Bicubic.HALO
    override val fixedSize: Size? get() = null

    override fun enlarge(tile: Pixels): IntArray {
        val (red, green, blue) = listOf(16, 8, 0).map { shift ->
            bicubic.enlargeBytes(IntArray(tile.argb.size) { tile.argb[it] ushr shift and 255 }, tile.width, tile.height)
        }
        val out = IntArray(red.size) { (255 shl 24) or (red[it] shl 16) or (green[it] shl 8) or blue[it] }
        return out.withAlphaOf(tile, bicubic)
    }
}

/**
 * A network. One for luma is given luma, and chroma is enlarged by bicubic; one for RGB is given RGB.
 * Alpha is enlarged by bicubic.
 */
class SrMethod(private val model: SrModel, private val engines: Engines, private val backend: Backend) : TileMethod, Closeable {
    override val scale get() = model.scale
    override val halo get() = maxOf(model.halo, Bicubic.HALO)
    override val fixedSize get() = model.fixedSize
    private val bicubic = Bicubic(scale)
    private var ready: Ready? = null

    override fun enlarge(tile: Pixels): IntArray {
        val count = tile.argb.size * scale * scale
        val out = if (model.colors == 3) {
            val (red, green, blue) = run(tile, listOf(16, 8, 0).map { Color.channel(tile.argb, it) })
            IntArray(count) { Color.pack(red[it], green[it], blue[it]) }
        } else {
            val y = run(tile, listOf(Color.luma(tile.argb))).single()
            val cb = bicubic.enlarge(Color.cb(tile.argb), tile.width, tile.height)
            val cr = bicubic.enlarge(Color.cr(tile.argb), tile.width, tile.height)
            Color.rgb(y, cb, cr)
        }
        return out.withAlphaOf(tile, bicubic)
    }

    override fun close() {
        ready?.engine?.close()
        ready = null
    }

    private fun run(tile: Pixels, planes: List<FloatArray>): List<FloatArray> {
        val here = readyFor(Size(tile.width, tile.height))
        model.input.write(planes, here.input)
        here.output.rewind()
        here.engine.run(here.input, here.output)
        return model.output.read(here.output, model.colors, tile.argb.size * scale * scale)
    }

    /** Tiles of one picture have one size, so the engine is opened once. */
    private fun readyFor(size: Size): Ready {
        ready?.takeIf { it.size == size }?.let { return it }
        close()
        val pixels = size.width * size.height
        val input = model.input.buffer(pixels * model.colors)
        val output = model.output.buffer(pixels * scale * scale * model.colors)
        return Ready(size, engines.open(model.stamped(size), backend), input, output).also { ready = it }
    }

    private class Ready(val size: Size, val engine: Engine, val input: ByteBuffer, val output: ByteBuffer)
}

private fun IntArray.withAlphaOf(tile: Pixels, bicubic: Bicubic): IntArray {
    if (tile.argb.all { it ushr 24 == 255 }) return this
    val alpha = bicubic.enlarge(Color.channel(tile.argb, 24), tile.width, tile.height)
    for (i in indices) this[i] = (this[i] and 0xffffff) or (Color.round(alpha[i]) shl 24)
    return this
}
