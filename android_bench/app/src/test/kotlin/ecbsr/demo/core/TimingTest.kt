package ecbsr.demo.core

import ecbsr.demo.DesktopEngines
import ecbsr.demo.Fixtures
import java.nio.ByteBuffer
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

class TimingTest {
    private val model = SrModel.read("made-y-x4-int8", Fixtures.model("made-y-x4-int8"))
    private val protocol = Protocol(rounds = 3, runs = 5, warmUp = 1)

    @Test
    fun statisticsOfKnownNumbers() {
        val values = (1..20).map { it.toDouble() }
        assertEquals(10.5, Statistics.median(values), 0.0)
        assertEquals(19.05, Statistics.percentile(values, 0.95), 1e-9)
        assertEquals(6.0 to 15.0, Statistics.interval(values)) // the table of binomial ranks for n = 20
        assertEquals(1.0 to 6.0, Statistics.interval((1..6).map { it.toDouble() }))
        assertNull(Statistics.interval(listOf(1.0)))
    }

    @Test
    fun rowsComeFromTheRealRuntime() {
        val cases = listOf(Case(Backend.Cpu(1), Size(64, 48)), Case(Backend.Gpu, Size(64, 48)))
        val seen = mutableListOf<Row>()
        val rows = measure(model, cases, DesktopEngines, protocol, ::picture, System::nanoTime, { null }, Job(), seen::add)
        val (cpu, gpu) = rows
        assertEquals("ok", cpu.status)
        assertEquals(3, cpu.roundMedians.size)
        assertTrue(cpu.median!! > 0 && cpu.p95!! >= cpu.median && cpu.interval!!.first <= cpu.interval.second)
        // Three int8 PRELUs cut XNNPACK's part into pieces, so how much it took is not known exactly.
        assertEquals(null to 10, cpu.nodesDelegated to cpu.nodesTotal)
        assertEquals("unsupported", gpu.status)
        assertNull(gpu.median)
        assertEquals("There is no gpu on this machine.", gpu.note)
        assertEquals(4, seen.size) // a backend that refused is not asked again
    }

    @Test
    fun xnnpackTakesTheBundledModelsWhole() {
        for (file in Fixtures.bundled) {
            val whole = SrModel.read("m", file.readBytes())
            val row = measure(whole, listOf(Case(Backend.Cpu(1), Size(40, 30))), DesktopEngines, protocol, ::picture, System::nanoTime, { null }, Job()) {}.single()
            assertEquals(whole.nodes, row.nodesDelegated)
        }
    }

    @Test
    fun timesAreThoseOfTheClock() {
        val clock = FakeClock(2_000_000)
        val engines = Engines { _, _ -> NoEngine(1) }
        val rows = measure(model, listOf(Case(Backend.Gpu, Size(8, 8))), engines, protocol, ::picture, clock::read, { null }, Job()) {}
        assertEquals(2.0, rows.single().median!!, 1e-9)
        assertEquals(500.0, rows.single().fps!!, 1e-6)
    }

    @Test
    fun cancellingKeepsWhatWasMeasured() {
        lateinit var job: Job
        job = Job { done, _ -> if (done == 2) job.cancel() }
        val cases = listOf(Case(Backend.Cpu(1), Size(8, 8)), Case(Backend.Cpu(4), Size(8, 8)))
        val rows = measure(model, cases, DesktopEngines, protocol, ::picture, System::nanoTime, { null }, job) {}
        assertEquals(listOf(1, 1), rows.map { it.roundMedians.size })
    }

    @Test
    fun aFallbackIsNeverShownAsTheDelegate() {
        fun status(backend: Backend, steps: Int?) = taken(backend, 19, steps).run { "$status $nodes" }
        assertEquals("ok 19", status(Backend.Gpu, 1))
        assertEquals("fallback 0", status(Backend.Gpu, 19))
        assertEquals("partial 18", status(Backend.Gpu, 2))
        assertEquals("fallback 0", status(Backend.Nnapi, 19))
        assertEquals("partial null", status(Backend.Nnapi, 5))
        assertEquals("ok 19", status(Backend.Cpu(1), 1))
        assertEquals("ok null", status(Backend.Cpu(1), 13))
        val engines = Engines { _, _ -> NoEngine(model.nodes) }
        val row = measure(model, listOf(Case(Backend.Gpu, Size(8, 8))), engines, protocol, ::picture, System::nanoTime, { null }, Job()) {}.single()
        assertEquals("fallback", row.status)
        assertNull(row.median)
    }

    @Test
    fun aPhoneThatHeldItselfBackHasNoCleanFigure() {
        val engines = Engines { _, _ -> NoEngine(1) }
        fun row(vararg heat: Int?): Row {
            val readings = heat.iterator() // one before and one after each round
            return measure(
                model, listOf(Case(Backend.Gpu, Size(8, 8))), engines, Protocol(heat.size / 2, 5, 1), ::picture,
                FakeClock(1_000_000)::read, readings::next, Job(),
            ) {}.single()
        }
        assertEquals("ok", row(0, 0, null, null).status)
        val hot = row(0, 1, 2, 2)
        assertEquals("throttled" to 2, hot.status to hot.roundMedians.size)
        assertEquals("The phone was holding itself back: thermal status 1.", hot.note)
        val once = row(0, 0, 0, 0, 0, 3) // the clean rounds give the figure
        assertEquals("ok" to 2, once.status to once.roundMedians.size)
        assertEquals("1 of 3 rounds: throttled.", once.note)
    }

    @Test
    fun aRunThatFailsIsNotARefusal() {
        val engines = Engines { _, _ -> object : Engine by NoEngine(1) {
            override fun run(input: ByteBuffer, output: ByteBuffer): Unit = throw Refused("The run failed.")
        } }
        val row = measure(model, listOf(Case(Backend.Gpu, Size(8, 8))), engines, protocol, ::picture, System::nanoTime, { 0 }, Job()) {}.single()
        assertEquals("failed The run failed.", "${row.status} ${row.note}")
        assertNull(row.median)
    }

    @Test
    fun noMemoryIsASentence() {
        val engines = Engines { _, _ -> throw OutOfMemoryError() }
        val row = measure(model, listOf(Case(Backend.Cpu(1), Size(8, 8))), engines, protocol, ::picture, System::nanoTime, { null }, Job()) {}.single()
        assertEquals("failed The phone has not enough memory for 8x8.", "${row.status} ${row.note}")
    }

    @Test
    fun theDocumentHasTheFieldsOfEcbsrBench() {
        val rows = measure(model, listOf(Case(Backend.Cpu(4), Size(64, 48))), DesktopEngines, protocol, ::picture, System::nanoTime, { null }, Job()) {}
        val device = DeviceFacts("d", "Maker Phone", "soc", "Android 14", "print", listOf("arm64-v8a"), "2.16.1")
        val json = JSONObject(resultsJson(rows, device, listOf(Thermal(0.0, null)), protocol, "2026-01-01T00:00:00Z"))
        val row = json.getJSONArray("results").getJSONObject(0)
        val fields = "ci95_ms delegate device fps median_ms model nodes_delegated nodes_total note p95_ms precision run_ms runs size status threads"
        assertEquals(fields.split(" "), row.keys().asSequence().toList().sorted())
        assertEquals("d", json.getJSONObject("devices").keys().next())
        // For the Python side, which imports it and says whether it is one of its own.
        Fixtures.file("models").resolveSibling("results.json").writeText(json.toString(2))
    }

    private fun picture(size: Size) = Pixels(size.width, size.height, IntArray(size.width * size.height) { it * 77 })

    private class FakeClock(private val step: Long) {
        private var now = 0L

        fun read() = now.also { now += step }
    }

    private class NoEngine(override val steps: Int?) : Engine {
        override fun run(input: ByteBuffer, output: ByteBuffer) = Unit

        override fun close() = Unit
    }
}
