package ecbsr.demo.core

import java.io.Serializable

/**
 * The result of a case, with the fields of `ecbsr-bench --json`. Times are in milliseconds, and null unless [status]
 * is "ok", "partial" or "throttled": the time of a fallback to the CPU is never reported as that of the delegate.
 */
data class Row(
    val model: String,
    val precision: String,
    val case: Case,
    val status: String,
    val median: Double?,
    val interval: Pair<Double, Double>?,
    val p95: Double?,
    val roundMedians: List<Double>,
    val nodesDelegated: Int?,
    val nodesTotal: Int,
    val note: String,
) : Serializable {
    val fps get() = median?.let { 1000 / it }

    companion object {
        /**
         * Summarizes the rounds of a case as `ecbsr-bench` does: the times come from the rounds with the best status.
         * If at least half of the rounds have no times, the row has none.
         *
         * @param wanted the number of rounds of a complete measurement.
         */
        internal fun of(model: SrModel, case: Case, rounds: List<Round>, wanted: Int): Row {
            val untimed = rounds.filter { it.status !in Round.TIMED }
            val status = if (untimed.size * 2 >= rounds.size) untimed.last().status else {
                Round.TIMED.first { status -> rounds.any { it.status == status } }
            }
            val (matching, others) = rounds.partition { it.status == status }
            val timed = if (status in Round.TIMED) matching else emptyList()
            val medians = timed.map { Statistics.median(it.times) }
            val notes = listOf(matching.first().note).filter { it.isNotEmpty() } +
                others.groupingBy { it.status }.eachCount().map { (other, count) -> "$count of ${rounds.size} rounds: $other." } +
                if (status in Round.TIMED && rounds.size < wanted) listOf("Only ${rounds.size} of $wanted rounds were run.") else emptyList()
            return Row(
                model.name, model.precision, case, status,
                median = medians.ifEmpty { null }?.let(Statistics::median),
                interval = Statistics.interval(medians),
                p95 = timed.map { Statistics.percentile(it.times, 0.95) }.ifEmpty { null }?.let(Statistics::median),
                roundMedians = medians,
                nodesDelegated = matching.first().nodesDelegated,
                nodesTotal = model.nodes,
                note = notes.joinToString(" "),
            )
        }
    }
}
