package ecbsr.demo.core.video

import ecbsr.demo.DesktopEngineFactory
import ecbsr.demo.Fixtures
import ecbsr.demo.core.Color
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.Size
import ecbsr.demo.core.SrModel
import java.nio.ByteBuffer
import java.util.Random

/** A picture as a video has it; luma is Python's. */
fun frame(picture: String, color: VideoColor = LIMITED): YuvFrame {
    val pixels = Fixtures.picture(picture)
    val frame = YuvFrame(Size(pixels.width, pixels.height))
    frame.y.put(Fixtures.file("video/$picture.y").readBytes()).flip()
    for ((plane, values) in listOf(frame.u to Color.cb(pixels.argb), frame.v to Color.cr(pixels.argb))) {
        for (i in 0 until frame.chromaSize.pixels) {
            val (x, y) = i % frame.chromaSize.width * 2 to i / frame.chromaSize.width * 2
            plane.put(Color.round(values[y * pixels.width + x]).toByte())
        }
        plane.flip()
    }
    frame.color = color
    return frame
}

/** A frame of noise, in which a shift of a pixel would be visible. */
fun noise(size: Size, color: VideoColor = LIMITED, seed: Long = 1): YuvFrame {
    val frame = YuvFrame(size)
    val random = Random(seed)
    for (i in 0 until size.pixels) frame.y.put((16 + random.nextInt(220)).toByte())
    frame.y.flip()
    fillChroma(frame, seed)
    frame.color = color
    return frame
}

/** Fills the planes with those of another frame of this size. */
fun YuvFrame.copyPlanes(from: YuvFrame) {
    for ((source, target) in listOf(from.y to y, from.u to u, from.v to v)) {
        target.clear()
        target.put(source.duplicate().apply { rewind() }).flip()
    }
}

private fun fillChroma(frame: YuvFrame, seed: Long) {
    val random = Random(seed)
    for (plane in listOf(frame.u, frame.v)) {
        for (i in 0 until frame.chromaSize.pixels) plane.put((96 + random.nextInt(64)).toByte())
        plane.flip()
    }
}

val LIMITED = VideoColor(isFullRange = false, isBt709 = false, chromaIsLeft = true)

fun ByteBuffer.content() = ByteArray(limit()).also { duplicate().apply { rewind() }.get(it) }

fun model(name: String) = SrModel.read(name, Fixtures.model(name))

/** The phone of the tests: the desktop's engines, and a temperature that a test sets. */
class FakePlatform(override val engines: EngineFactory = DesktopEngineFactory) : VideoPlatform {
    @Volatile var reading = ThermalReading(status = 0)
    val hints = mutableListOf<Pair<Long, Long>>()

    override fun thermal() = reading

    override fun openHints() = object : PerformanceHints {
        override fun report(targetNanos: Long, actualNanos: Long) {
            hints += targetNanos to actualNanos
        }

        override fun close() = Unit
    }
}
