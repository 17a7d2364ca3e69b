package ecbsr.demo.core.video

import ecbsr.demo.DesktopEngineFactory
import ecbsr.demo.Fixtures
import ecbsr.demo.core.Backend
import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException
import java.nio.ByteBuffer
import kotlin.concurrent.thread
import kotlin.math.abs
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** Upscales luma with real models, compared with the Python implementation. */
class LumaUpscalerTest {
    @Test
    fun int8BytesEqualPythons() {
        val cases = expected().filter { (model, _) -> "int8" in model }
        assertTrue("$cases", cases.size >= 8)
        for ((name, picture) in cases) {
            assertArrayEquals("$name $picture", Fixtures.file("video/$name--$picture.y").readBytes(), upscaled(name, frame(picture)))
        }
    }

    @Test
    fun floatModelsAreWithinOneOfPythons() {
        val cases = expected().filter { (model, _) -> "int8" !in model }
        assertTrue("$cases", cases.size >= 4)
        for ((name, picture) in cases) {
            val expected = Fixtures.file("video/$name--$picture.y").readBytes()
            val difference = difference(expected, upscaled(name, frame(picture)))
            assertTrue("$name $picture: $difference", difference <= 1)
        }
    }

    /** Luma of full range is converted to the range of the model and back, each rounded once. */
    @Test
    fun fullRangeIsConverted() {
        val name = "ecbsr-m4c16-x2-fp32"
        val limited = frame("chelsea")
        val full = frame("chelsea", LIMITED.copy(isFullRange = true))
        for (i in 0 until full.y.limit()) {
            val value = Math.round((limited.y.get(i).toInt() and 255).coerceIn(16, 235).minus(16) * 255 / 219.0)
            full.y.put(i, value.toByte())
        }
        val expected = upscaled(name, limited).map { Math.round(((it.toInt() and 255).coerceIn(16, 235) - 16) * 255 / 219.0).toByte() }
        val differences = expected.toByteArray().zip(upscaled(name, full)) { a, b -> abs((a.toInt() and 255) - (b.toInt() and 255)) }
        assertTrue("${differences.max()}", differences.max() <= 4) // rounding of the input, amplified by the model
        assertTrue("${differences.average()}", differences.average() < 0.6)
    }

    @Test
    fun anotherThreadMayNotUseTheEngine() {
        val upscaler = LumaUpscaler(model("made-y-x4-int8"), DesktopEngineFactory, Backend.Cpu(1), Size(8, 8), false)
        var error: Throwable? = null
        thread { error = assertThrows(IllegalStateException::class.java) { upscaler.upscale(noise(Size(8, 8)), ByteBuffer.allocateDirect(1024)) } }.join()
        assertEquals("the engine belongs to another thread", error!!.message)
        upscaler.close()
    }

    @Test
    fun modelsThatCannotPlayAVideoAreRejected() {
        assertEquals("made-rgb-x2-uint8 takes RGB: choose a luma model for video.", rejection("made-rgb-x2-uint8"))
        assertEquals("made-y-x2-fixed takes pictures of 64x48 only, not 8x8.", rejection("made-y-x2-fixed"))
    }

    private fun rejection(name: String) = assertThrows(UserFacingException::class.java) {
        LumaUpscaler(model(name), DesktopEngineFactory, Backend.Cpu(1), Size(8, 8), false)
    }.message

    /** The models and pictures for which Python wrote its result. */
    private fun expected() = Fixtures.file("video").list()!!.filter { "--" in it }.sorted().map { it.removeSuffix(".y").split("--") }

    private fun upscaled(name: String, frame: YuvFrame): ByteArray {
        val model = model(name)
        val target = ByteBuffer.allocateDirect(frame.size.pixels * model.scale * model.scale)
        LumaUpscaler(model, DesktopEngineFactory, Backend.Cpu(2), frame.size, frame.color.isFullRange).use { upscaler ->
            repeat(2) { upscaler.upscale(frame, target) } // the second run finds used buffers
        }
        return target.content()
    }

    private fun difference(a: ByteArray, b: ByteArray): Int {
        assertEquals(a.size, b.size)
        return a.indices.maxOf { abs((a[it].toInt() and 255) - (b[it].toInt() and 255)) }
    }
}
