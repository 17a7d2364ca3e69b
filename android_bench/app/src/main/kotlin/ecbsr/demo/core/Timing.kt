package ecbsr.demo.core

import java.io.Serializable
import java.nio.ByteBuffer

/** One row to measure. */
data class Case(val backend: Backend, val size: Size) : Serializable

/**
 * One round of a case: its status in the words of `ecbsr-bench`, the times of its runs in milliseconds, how many
 * nodes were taken (null where not told), and what there is to say about it.
 */
class Round(val status: String, val times: List<Double>, val nodes: Int?, val note: String)

/** How long to measure. [nanos] bounds one round, so that a slow phone still ends. */
data class Protocol(val rounds: Int = 6, val runs: Int = 20, val warmUp: Int = 3, val nanos: Long = 4_000_000_000)

/**
 * Measures [model] for every case, round by round, each time with an engine of its own, so that a phone that
 * warms up slows all cases alike. A case that failed once is not tried again.
 *
 * @param reading what to fill the input with: a real picture's bytes, since zeros can be faster.
 * @param heat Android's thermal status, 0 none to 6 shutdown, or null where the phone does not say.
 * @param onRow is told after each round how a case stands.
 * @return what was measured, also when [job] was cancelled half-way.
 */
fun measure(
    model: SrModel,
    cases: List<Case>,
    engines: Engines,
    protocol: Protocol,
    reading: (Size) -> Pixels,
    clock: () -> Long,
    heat: () -> Int?,
    job: Job,
    onRow: (Row) -> Unit,
): List<Row> {
    val rounds = cases.associateWith { mutableListOf<Round>() }
    try {
        for (round in 0 until protocol.rounds) for ((index, case) in cases.withIndex()) {
            job.step(round * cases.size + index, protocol.rounds * cases.size)
            val sofar = rounds.getValue(case)
            if (sofar.any { it.status in FAILED }) continue
            sofar += round(model, case, engines, protocol, reading, clock, heat)
            onRow(row(model, case, sofar))
        }
        job.step(1, 1)
    } catch (_: Cancelled) {
        // What was measured so far counts.
    }
    return cases.filter { rounds.getValue(it).isNotEmpty() }.map { row(model, it, rounds.getValue(it)) }
}

private fun round(
    model: SrModel, case: Case, engines: Engines, protocol: Protocol,
    reading: (Size) -> Pixels, clock: () -> Long, heat: () -> Int?,
): Round {
    var opened = false
    return try {
        val pixels = case.size.width * case.size.height
        val output = model.output.buffer(pixels * model.scale * model.scale * model.colors)
        val input = input(model, reading(case.size))
        engines.open(model.stamped(case.size), case.backend).use { engine ->
            opened = true
            val before = heat() ?: 0
            repeat(protocol.warmUp) { engine.run(input.rewound(), output.rewound()) }
            val end = clock() + protocol.nanos
            val times = mutableListOf<Double>()
            while (times.size < protocol.runs && (times.size < 3 || clock() < end)) {
                val start = clock()
                engine.run(input.rewound(), output.rewound())
                times += (clock() - start) / 1e6
            }
            judged(times, taken(case.backend, model.nodes, engine.steps), maxOf(before, heat() ?: 0))
        }
    } catch (refused: Refused) {
        Round(if (opened) "failed" else "unsupported", emptyList(), null, refused.message)
    } catch (_: OutOfMemoryError) {
        Round("failed", emptyList(), null, "The phone has not enough memory for ${case.size}.")
    }
}

private fun judged(times: List<Double>, taken: Taken, heat: Int): Round {
    if (heat == 0 || taken.status !in TIMED) return Round(taken.status, times, taken.nodes, taken.note)
    val note = "The phone was holding itself back: thermal status $heat."
    return Round("throttled", times, taken.nodes, if (taken.note.isEmpty()) note else "$note ${taken.note}")
}

private fun input(model: SrModel, picture: Pixels): ByteBuffer {
    val planes = if (model.colors == 1) listOf(Color.luma(picture.argb)) else listOf(16, 8, 0).map { Color.channel(picture.argb, it) }
    return model.input.buffer(picture.argb.size * model.colors).also { model.input.write(planes, it) }
}

private fun ByteBuffer.rewound() = apply { rewind() }
