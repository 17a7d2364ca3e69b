package ecbsr.demo.core

import ecbsr.demo.DesktopEngineFactory
import ecbsr.demo.Fixtures
import ecbsr.demo.thermalStatus
import java.nio.ByteBuffer
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

class BenchmarkTest {
    private val model = SrModel.read("made-y-x4-int8", Fixtures.model("made-y-x4-int8"))
    private val gpu = listOf(Case(Backend.Gpu, Size(8, 8)))

    @Test
    fun measuresWithTheRealRuntime() {
        val cases = listOf(Case(Backend.Cpu(1), Size(64, 48)), Case(Backend.Gpu, Size(64, 48)))
        val reported = mutableListOf<Row>()
        val (cpu, gpu) = benchmark(DesktopEngineFactory).run(cases, Job(), reported::add)
        assertEquals("ok", cpu.status)
        assertEquals(3, cpu.roundMedians.size)
        assertTrue(cpu.median!! > 0 && cpu.p95!! >= cpu.median && cpu.interval!!.first <= cpu.interval.second)
        // Three int8 PRELUs divide the graph into several partitions, so the count is unknown.
        assertEquals(null to 10, cpu.nodesDelegated to cpu.nodesTotal)
        assertEquals("unsupported", gpu.status)
        assertNull(gpu.median)
        assertEquals("There is no gpu on this machine.", gpu.note)
        assertEquals(4, reported.size) // an unsupported backend is not tried again
    }

    @Test
    fun xnnpackRunsTheBundledModelsCompletely() {
        for (file in Fixtures.bundled) {
            val bundled = SrModel.read("m", file.readBytes())
            val row = benchmark(DesktopEngineFactory, bundled).run(listOf(Case(Backend.Cpu(1), Size(40, 30))), Job()) {}.single()
            assertEquals(bundled.nodes, row.nodesDelegated)
        }
    }

    @Test
    fun timesComeFromTheClock() {
        val row = benchmark({ _, _ -> NoEngine(1) }, clock = FakeClock(2_000_000)::read).run(gpu, Job()) {}.single()
        assertEquals(2.0, row.median!!, 1e-9)
        assertEquals(500.0, row.fps!!, 1e-6)
    }

    @Test
    fun cancelingKeepsTheCompletedRounds() {
        lateinit var job: Job
        job = Job { done, _ -> if (done == 2) job.cancel() }
        val cases = listOf(Case(Backend.Cpu(1), Size(8, 8)), Case(Backend.Cpu(4), Size(8, 8)))
        val rows = benchmark(DesktopEngineFactory).run(cases, job) {}
        assertEquals(listOf(1, 1), rows.map { it.roundMedians.size })
        assertTrue(rows[0].note, rows.all { it.note.endsWith("Only 1 of 3 rounds were run.") })
    }

    @Test
    fun theRoundInWhichItIsCanceledDoesNotCount() {
        val job = Job()
        val canceling = EngineFactory { _, _ -> NoEngine(1).also { job.cancel() } }
        assertEquals(emptyList<Row>(), benchmark(canceling).run(gpu, job) {})
    }

    @Test
    fun aFallbackHasNoTimes() {
        val row = benchmark({ _, _ -> NoEngine(model.nodes) }).run(gpu, Job()) {}.single()
        assertEquals("fallback", row.status)
        assertNull(row.median)
    }

    @Test
    fun aThrottlingPhoneHasNoOkRow() {
        fun row(vararg statuses: Int?): Row {
            val remaining = statuses.iterator() // one before and one after each round
            return benchmark(
                { _, _ -> NoEngine(1) }, clock = FakeClock(1_000_000)::read,
                protocol = Protocol(statuses.size / 2, 5, 1), thermalStatus = remaining::next,
            ).run(gpu, Job()) {}.single()
        }
        assertEquals("ok", row(0, 0, null, null).status)
        val throttled = row(0, 1, 2, 2)
        assertEquals("throttled" to 2, throttled.status to throttled.roundMedians.size)
        assertEquals("The phone was throttling: thermal status 1.", throttled.note)
        val mixed = row(0, 0, 0, 0, 0, 3) // the times come from the rounds without throttling
        assertEquals("ok" to 2, mixed.status to mixed.roundMedians.size)
        assertEquals("1 of 3 rounds: throttled.", mixed.note)
    }

    @Test
    fun aFailedRunIsNotUnsupported() {
        val engine = object : Engine by NoEngine(1) {
            override fun run(input: ByteBuffer, output: ByteBuffer): Unit = throw UserFacingException("The run failed.")
        }
        val row = benchmark({ _, _ -> engine }).run(gpu, Job()) {}.single()
        assertEquals("failed The run failed.", "${row.status} ${row.note}")
        assertNull(row.median)
    }

    @Test
    fun missingMemoryIsAFailure() {
        val row = benchmark({ _, _ -> throw OutOfMemoryError() }).run(gpu, Job()) {}.single()
        assertEquals("failed The phone has not enough memory for 8x8.", "${row.status} ${row.note}")
    }

    private fun benchmark(
        engines: EngineFactory,
        model: SrModel = this.model,
        protocol: Protocol = Protocol(rounds = 3, runs = 5, warmUps = 1),
        clock: () -> Long = System::nanoTime,
        thermalStatus: () -> Int? = { 0 },
    ) = Benchmark(model, engines, protocol, ::gradient, clock, thermalStatus)

    private class FakeClock(private val step: Long) {
        private var now = 0L

        fun read() = now.also { now += step }
    }
}
