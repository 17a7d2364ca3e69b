package ecbsr.demo.core

import ecbsr.demo.DesktopEngineFactory
import java.nio.ByteBuffer
import kotlin.math.abs
import org.junit.Assert.assertEquals

/** The largest difference between the channels of two pictures of the same size. */
fun difference(a: Pixels, b: Pixels, alpha: Boolean = true): Int {
    assertEquals("${a.width}x${a.height}", "${b.width}x${b.height}")
    val shifts = if (alpha) listOf(0, 8, 16, 24) else listOf(0, 8, 16)
    return a.argb.indices.maxOf { i -> shifts.maxOf { abs((a.argb[i] ushr it and 255) - (b.argb[i] ushr it and 255)) } }
}

/** Accepts every model, and leaves its output as it is. */
class NoEngine(override val planLength: Int?) : Engine {
    override fun run(input: ByteBuffer, output: ByteBuffer) = Unit

    override fun close() = Unit
}

/** A picture of any size without equal neighbors. */
fun gradient(size: Size) = Pixels.build(size.width, size.height) { x, y -> (y * size.width + x) * 77 }

fun upscaled(model: SrModel, picture: Pixels): Pixels {
    val source = PixelsInMemory(picture)
    return SrUpscaler(model, DesktopEngineFactory, Backend.Cpu(1)).use { upscaleToPixels(source, source.whole, it) }
}
