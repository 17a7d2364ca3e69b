package ecbsr.demo.core.video

import ecbsr.demo.DesktopEngineFactory
import ecbsr.demo.Fixtures
import ecbsr.demo.GatedEngineFactory
import ecbsr.demo.core.Backend
import ecbsr.demo.core.Engine
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.NoEngine
import ecbsr.demo.core.Size
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.UserFacingException
import java.nio.ByteBuffer
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.Semaphore
import java.util.concurrent.atomic.AtomicLong
import kotlin.concurrent.thread
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** Real models, with a source and a screen that the test controls. */
class VideoPipelineTest {
    private class Events : VideoListener {
        val pictures = LinkedBlockingQueue<Unit>()
        val efforts = mutableListOf<Pair<Effort, Cause>>()
        val failures = LinkedBlockingQueue<String>()

        override fun onPicture() = pictures.put(Unit)

        override fun onEffort(effort: Effort, cause: Cause) {
            efforts += effort to cause
        }

        override fun onModelFailed(message: String) = failures.put(message)
    }

    private val events = Events()
    @Volatile private var nanos = 0L
    private val clock = SystemClock { nanos }
    private val pacer = Pacer(clock)
    private val statistics = VideoStatistics()
    private val record = SessionRecord("file", "2026-01-01T00:00:00Z", statistics)
    private val small = model("ecbsr-m4c16-x2-int8")

    @Test
    fun aFileShowsEveryPictureInOrderWithPythonsBytes() {
        clock.start()
        pipeline(pacer = pacer).use { pipeline ->
            val expected = Fixtures.file("video/ecbsr-m4c16-x2-int8--tiny.y").readBytes()
            for (i in 0 until 20) {
                nanos = i * 1_000_000L
                pipeline.submit(frame("tiny"), i * 1000L)
                events.pictures.take()
                val shown = pipeline.latest()
                assertEquals(i * 1000L, shown.frame!!.timeMicros)
                assertArrayEquals(expected, shown.upscaled!!.content())
            }
        }
        assertEquals(0, statistics.droppedCount)
        assertEquals(20, statistics.recentInferences().size)
    }

    @Test
    fun aCameraReplacesWaitingPictures() {
        val gate = Semaphore(0)
        val engines = GatedEngineFactory(gate)
        pipeline(FakePlatform(engines)).use { pipeline ->
            for (i in 0 until 10) {
                pipeline.submit(noise(Size(16, 8)), i * 33_000L)
                if (i == 0) while (gate.queueLength == 0) Thread.yield() // the model has the first one
            }
            assertEquals(8, statistics.droppedCount)
            engines.open()
            repeat(2) { events.pictures.take() }
            assertEquals(9 * 33_000L, pipeline.latest().frame!!.timeMicros)
        }
    }

    /** Camera, decoder and GPU delegate: each engine is opened, used and closed on the inference thread. */
    @Test
    fun oneThreadOwnsTheEngine() {
        val threads = mutableListOf<String>()
        val engines = EngineFactory { model, backend ->
            threads += Thread.currentThread().name
            val engine = DesktopEngineFactory.open(model, backend)
            object : Engine by engine {
                override fun run(input: ByteBuffer, output: ByteBuffer) {
                    threads += Thread.currentThread().name
                    engine.run(input, output)
                }

                override fun close() {
                    threads += Thread.currentThread().name
                    engine.close()
                }
            }
        }
        val pipeline = pipeline(FakePlatform(engines))
        for (size in listOf(Size(16, 8), Size(8, 16))) { // the phone is turned: the size changes
            pipeline.submit(noise(size), 0)
            events.pictures.take()
            assertEquals(size.pixels * 4, pipeline.latest().upscaled!!.limit())
        }
        pipeline.close()
        assertEquals(List(6) { "inference" }, threads)
    }

    @Test
    fun aModelThatCannotRunIsReportedOnceAndTheVideoGoesOn() {
        pipeline(backend = Backend.Gpu).use { pipeline ->
            repeat(3) { i ->
                pipeline.submit(noise(Size(16, 8)), i * 33_000L)
                events.pictures.take()
                assertNull(pipeline.latest().upscaled)
            }
        }
        assertEquals(listOf("There is no gpu on this machine."), events.failures.toList())
        assertTrue(record.isEmpty)
    }

    @Test
    fun aRunThatFailsIsReported() {
        val engines = EngineFactory { _, _ ->
            object : Engine by NoEngine(1) {
                override fun run(input: ByteBuffer, output: ByteBuffer) = throw UserFacingException("The runtime failed.")
            }
        }
        pipeline(FakePlatform(engines)).use { pipeline ->
            pipeline.submit(noise(Size(16, 8)), 0)
            assertEquals("The runtime failed.", events.failures.take())
        }
    }

    @Test
    fun aJumpDiscardsPicturesAndReleasesTheSource() {
        clock.pause()
        val pipeline = pipeline(pacer = pacer)
        pipeline.submit(noise(Size(16, 8)), 0)
        events.pictures.take() // the first one is shown although the file is paused
        val source = thread { for (i in 1..3) pipeline.submit(noise(Size(16, 8)), i * 40_000L) }
        waitUntilBlocked(source)
        while (source.isAlive) pipeline.restart()
        pipeline.restart()
        pipeline.submit(noise(Size(16, 8)), 7_000_000)
        // Those before the last jump may have been shown, too, each at once as the first one after a jump.
        while (pipeline.latest().frame!!.timeMicros < 7_000_000) events.pictures.take()
        pipeline.close()
        assertEquals(7_000_000, pipeline.latest().frame!!.timeMicros)
    }

    @Test
    fun closingReleasesABlockedSource() {
        clock.pause()
        val pipeline = pipeline(pacer = pacer)
        val source = thread { for (i in 0..5) pipeline.submit(noise(Size(16, 8)), i * 40_000L) }
        waitUntilBlocked(source)
        pipeline.close()
        source.join()
    }

    @Test
    fun theGovernorChangesTheModelAndGivesItUp() {
        val time = AtomicLong(1)
        val platform = FakePlatform()
        platform.reading = ThermalReading(status = 2)
        val seen = mutableListOf<Int?>()
        pipeline(platform, smaller = model("ecbsr-m4c8-x2-int8"), nanoTime = time::get).use { pipeline ->
            for (i in 0 until 20) {
                time.addAndGet(1_000_000_000)
                val skipped = statistics.skippedCount
                pipeline.submit(noise(Size(16, 8)), i * 33_000L)
                while (events.pictures.isEmpty() && statistics.skippedCount == skipped) Thread.yield()
                if (events.pictures.poll() != null) seen += pipeline.latest().upscaled?.limit()
            }
        }
        assertEquals(listOf(Effort.HALF_RATE, Effort.SMALLER_MODEL, Effort.BILINEAR), events.efforts.map { it.first })
        assertEquals(setOf(Cause.HOT), events.efforts.map { it.second }.toSet())
        assertEquals(listOf(512, null), seen.distinct())
        assertTrue(statistics.skippedCount in 1..2)
    }

    @Test
    fun hintsHaveTheTimeOfAPicture() {
        val platform = FakePlatform()
        pipeline(platform).use { pipeline ->
            for (i in 0 until 5) {
                pipeline.submit(noise(Size(16, 8)), i * 40_000L)
                events.pictures.take()
            }
        }
        assertEquals(5, platform.hints.size)
        assertEquals(40_000_000L, platform.hints.last().first)
        assertTrue(platform.hints.all { it.second > 0 })
    }

    @Test
    fun aBrokenPictureIsAnErrorOfTheSource() {
        pipeline().use { pipeline ->
            assertThrows(UserFacingException::class.java) { pipeline.submit(Size(16, 8)) { throw UserFacingException("too small") } }
        }
    }

    private fun pipeline(
        platform: VideoPlatform = FakePlatform(),
        model: SrModel = small,
        smaller: SrModel? = null,
        backend: Backend = Backend.Cpu(1),
        pacer: Pacer? = null,
        nanoTime: () -> Long = System::nanoTime,
    ) = VideoPipeline(model, smaller, backend, pacer, platform, events, statistics, record, nanoTime).also { it.start() }

    /** Submits a copy of [frame]. */
    private fun VideoPipeline.submit(frame: YuvFrame, timeMicros: Long) = submit(frame.size) { target ->
        target.copyPlanes(frame)
        target.color = frame.color
        target.timeMicros = timeMicros
    }
}
