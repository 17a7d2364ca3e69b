package ecbsr.demo.core.video

import ecbsr.demo.DesktopEngineFactory
import ecbsr.demo.Fixtures
import ecbsr.demo.core.Backend
import ecbsr.demo.core.DeviceInfo
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.NoEngine
import ecbsr.demo.core.Size
import ecbsr.demo.core.Statistics
import java.util.Random
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class SessionRecordTest {
    private var nanos = 0L
    private val statistics = VideoStatistics { nanos }
    private val record = SessionRecord("camera", "2026-01-01T00:00:00Z", statistics) { nanos }
    private val device = DeviceInfo("Maker Phone (app)", "Maker Phone", "soc", "Android 16", "print", listOf("arm64-v8a"), "2.21.0")

    @Test
    fun hasARowForEachModelThatRan() {
        upscaler(DesktopEngineFactory).use { record(it, 10.0, 12.0, 50.0) }
        LumaUpscaler(model("ecbsr-m4c8-x2-int8"), DesktopEngineFactory, Backend.Cpu(1), Size(16, 8), false).use { record(it, 4.0) }
        repeat(3) { nanos += 500_000_000; statistics.shown(captureNanos = nanos - 80_000_000) }
        statistics.dropped()
        record.thermal(ThermalReading(status = 1, headroom = Float.NaN))
        record.effort(Effort.SMALLER_MODEL, Cause.SLOW)
        nanos = 4_000_000_000
        record.end()
        nanos = 9_000_000_000
        val json = JSONObject(record.toJson(device))
        val (first, second) = List(2) { json.getJSONArray("results").getJSONObject(it) }
        assertEquals("ecbsr-m4c16-x2-int8 ecbsr-m4c8-x2-int8", "${first.getString("model")} ${second.getString("model")}")
        assertEquals("ok [16,8]", "${first.getString("status")} ${first.getJSONArray("size")}")
        assertEquals(12.0, first.getDouble("median_ms"), 0.05)
        assertEquals("Video: 3 pictures, 3 shown, 1 dropped.", first.getString("note"))
        val video = json.getJSONObject("video")
        assertEquals(4.0, video.getDouble("seconds"), 1e-9)
        assertEquals(80.0, video.getDouble("latency_p95_ms"), 0.05)
        assertEquals("smaller_model", video.getJSONArray("governor").getJSONObject(0).getString("effort"))
        // run-tests.sh imports this file with ecbsr-bench.
        Fixtures.file("models").resolveSibling("video.json").writeText(json.toString(2))
    }

    @Test
    fun picturesOfAThrottlingPhoneDoNotCount() {
        upscaler(DesktopEngineFactory).use {
            record(it, 10.0)
            record.inferred(it, 90.0, 2)
        }
        assertEquals("ok", row().getString("status"))
        assertEquals(10.0, row().getDouble("median_ms"), 0.05)
    }

    @Test
    fun onlyThrottledPicturesAreThrottled() {
        upscaler(DesktopEngineFactory).use { record.inferred(it, 90.0, 2) }
        assertEquals("throttled", row().getString("status"))
    }

    /** The time of the CPU is never reported as that of a delegate. */
    @Test
    fun aFallbackHasNoTimes() {
        upscaler({ _, _ -> NoEngine(1000) }, Backend.Gpu).use { record(it, 10.0) }
        assertEquals("fallback", row().getString("status"))
        assertTrue(row().isNull("median_ms") && row().isNull("p95_ms"))
    }

    @Test
    fun theHistogramKnowsPercentiles() {
        val random = Random(2)
        val values = List(10_000) { random.nextDouble() * 100 }
        val histogram = Histogram()
        values.forEach(histogram::add)
        for (fraction in listOf(0.01, 0.5, 0.95, 1.0)) {
            assertEquals(Statistics.percentile(values, fraction), histogram.percentile(fraction)!!, 0.1)
        }
        histogram.add(1e9)
        assertEquals(2000.0, histogram.percentile(1.0)!!, 0.1)
    }

    @Test
    fun theScreenShowsTheLastTwoSeconds() {
        for (i in 0 until 100) {
            nanos += 40_000_000
            statistics.shown(captureNanos = nanos - 70_000_000)
            statistics.inferred(if (i < 40) 100.0 else 20.0)
        }
        val numbers = statistics.numbers()
        assertEquals(25.0, numbers.shownPerSecond, 0.6)
        assertEquals(20.0, numbers.inference!!, 1e-9)
        assertEquals(70.0, numbers.latencyP95!!, 1e-6)
        nanos += 10_000_000_000
        assertEquals(VideoNumbers(0.0, null, null, null, 0), statistics.numbers())
    }

    private fun row() = JSONObject(record.toJson(device)).getJSONArray("results").getJSONObject(0)

    private fun upscaler(engines: EngineFactory, backend: Backend = Backend.Cpu(1)) =
        LumaUpscaler(model("ecbsr-m4c16-x2-int8"), engines, backend, Size(16, 8), false)

    private fun record(upscaler: LumaUpscaler, vararg milliseconds: Double) = milliseconds.forEach { record.inferred(upscaler, it, 0) }
}
