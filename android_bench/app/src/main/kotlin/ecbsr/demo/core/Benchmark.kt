package ecbsr.demo.core

/** The extent of a measurement. [maxRoundNanos] limits the timed runs of one round on a slow phone. */
data class Protocol(val rounds: Int = 6, val runs: Int = 20, val warmUps: Int = 3, val maxRoundNanos: Long = 4_000_000_000)

/**
 * Measures the latency of [model].
 *
 * @param picture fills the input with real content, because zeros can be faster.
 * @param clock nanoseconds.
 * @param thermalStatus Android's thermal status, from 0 (none) to 6 (shutdown), or null if unknown.
 */
class Benchmark(
    private val model: SrModel,
    private val engines: EngineFactory,
    private val protocol: Protocol,
    private val picture: (Size) -> Pixels,
    private val clock: () -> Long,
    private val thermalStatus: () -> Int?,
) {
    /**
     * Measures all cases round by round with a new engine each time, so that a phone that heats up slows all cases
     * alike. A case that fails is not tried again.
     *
     * @param onRow receives the row of a case after each of its rounds.
     * @return the rows of all measured cases, even when [job] is canceled.
     */
    fun run(cases: List<Case>, job: Job, onRow: (Row) -> Unit): List<Row> {
        val rounds = cases.associateWith { mutableListOf<Round>() }
        try {
            for (index in 0 until protocol.rounds) for ((caseIndex, case) in cases.withIndex()) {
                job.report(index * cases.size + caseIndex, protocol.rounds * cases.size)
                val caseRounds = rounds.getValue(case)
                if (caseRounds.any { it.status in Round.FAILED }) continue
                val round = round(case)
                job.throwIfCanceled() // in the background the phone slows the app down, so that round does not count
                caseRounds += round
                onRow(Row.of(model, case, caseRounds, protocol.rounds))
            }
            job.report(1, 1)
        } catch (_: CanceledException) {
            // The completed rounds still count.
        }
        return rounds.filterValues { it.isNotEmpty() }.map { (case, caseRounds) -> Row.of(model, case, caseRounds, protocol.rounds) }
    }

    private fun round(case: Case): Round {
        var opened = false
        return try {
            val output = model.outputBuffer(case.size)
            val input = model.inputBuffer(case.size)
            model.input.write(model.inputPlanes(picture(case.size).argb), input)
            engines.open(model.resized(case.size), case.backend).use { engine ->
                opened = true
                val statusBefore = thermalStatus() ?: 0
                val times = time {
                    input.rewind()
                    output.rewind()
                    engine.run(input, output)
                }
                val delegation = Delegation.of(case.backend, model.nodes, engine.planLength)
                roundOf(times, delegation, maxOf(statusBefore, thermalStatus() ?: 0))
            }
        } catch (error: UserFacingException) {
            Round(if (opened) "failed" else "unsupported", emptyList(), null, error.message)
        } catch (_: OutOfMemoryError) {
            Round("failed", emptyList(), null, "The phone has not enough memory for ${case.size}.")
        }
    }

    /** The milliseconds of each run after warm-up. */
    private fun time(run: () -> Unit): List<Double> {
        repeat(protocol.warmUps) { run() }
        val end = clock() + protocol.maxRoundNanos
        val times = mutableListOf<Double>()
        while (times.size < protocol.runs && (times.size < MIN_RUNS || clock() < end)) {
            val start = clock()
            run()
            times += (clock() - start) / 1e6
        }
        return times
    }

    private fun roundOf(times: List<Double>, delegation: Delegation, thermalStatus: Int): Round {
        if (thermalStatus == 0 || delegation.status !in Round.TIMED) {
            return Round(delegation.status, times, delegation.nodes, delegation.note)
        }
        val note = "The phone was throttling: thermal status $thermalStatus. ${delegation.note}".trimEnd()
        return Round("throttled", times, delegation.nodes, note)
    }

    private companion object {
        const val MIN_RUNS = 3
    }
}
