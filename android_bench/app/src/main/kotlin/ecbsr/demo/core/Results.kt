package ecbsr.demo.core

import java.io.Serializable
import org.json.JSONArray
import org.json.JSONObject

/**
 * One row of results, with the fields of `ecbsr-bench --json`. Times are milliseconds and null unless
 * [status] is "ok", "partial" or "throttled": time that the CPU took is never shown as a delegate's.
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
}

/** The statuses whose rows carry a figure, the best first; and those after which a case is not tried again. */
internal val TIMED = listOf("ok", "partial", "throttled")
internal val FAILED = listOf("unsupported", "failed")

/**
 * What the rounds of a case add up to, as `ecbsr-bench` does it: the figure comes from the rounds of the best
 * status alone; where at least half of them have no figure, the row has none.
 */
internal fun row(model: SrModel, case: Case, rounds: List<Round>): Row {
    val without = rounds.filter { it.status !in TIMED }
    val status = if (without.size * 2 >= rounds.size) without.last().status else TIMED.first { one -> rounds.any { it.status == one } }
    val (same, others) = rounds.partition { it.status == status }
    val timed = if (status in TIMED) same else emptyList()
    val medians = timed.map { Statistics.median(it.times) }
    val notes = listOf(same.first().note).filter { it.isNotEmpty() } +
        others.groupingBy { it.status }.eachCount().map { (other, count) -> "$count of ${rounds.size} rounds: $other." }
    return Row(
        model.name, model.precision, case, status,
        median = medians.ifEmpty { null }?.let(Statistics::median),
        interval = Statistics.interval(medians),
        p95 = timed.map { Statistics.percentile(it.times, 0.95) }.ifEmpty { null }?.let(Statistics::median),
        roundMedians = medians,
        nodesDelegated = same.first().nodes,
        nodesTotal = model.nodes,
        note = notes.joinToString(" "),
    )
}

/** How many nodes a delegate took, as far as the number of steps that are left tells. */
internal class Taken(val status: String, val nodes: Int?, val note: String)

/**
 * The runtime does not tell an app how many nodes a delegate took, but how many steps are left: the nodes
 * that stayed, and one step for each partition that a delegate took. The GPU delegate takes at most one
 * partition, so its count is exact; for the others it is exact where all is one step, else a lower bound.
 */
internal fun taken(backend: Backend, nodes: Int, steps: Int?): Taken {
    val cpu = backend is Backend.Cpu
    return when {
        steps == null -> Taken(if (cpu) "ok" else "partial", null, "The runtime does not say what it took.")
        steps == 1 && nodes > 1 -> Taken("ok", nodes, "")
        steps >= nodes && cpu -> Taken("ok", null, "XNNPACK joined no nodes: it took none, or single ones between others.")
        steps >= nodes -> Taken("fallback", 0, "The delegate took nothing, so the CPU would have been timed.")
        backend is Backend.Gpu -> Taken("partial", nodes - steps + 1, "The CPU ran the other nodes.")
        else -> Taken(
            if (cpu) "ok" else "partial", null,
            "At least ${nodes - steps + 1} of $nodes nodes were taken: $steps steps are left.",
        )
    }
}

/** The phone that the figures belong to; in the words of `ecbsr-bench`. */
data class DeviceFacts(
    val name: String,
    val model: String,
    val soc: String,
    val system: String,
    val fingerprint: String,
    val abis: List<String>,
    val runtime: String,
)

/** Android's thermal status at one moment: 0 none to 6 shutdown, or null where the phone does not say. */
data class Thermal(val seconds: Double, val status: Int?) : Serializable

/** The document that `ecbsr-bench --import` reads. */
fun resultsJson(rows: List<Row>, device: DeviceFacts, thermal: List<Thermal>, protocol: Protocol, started: String): String {
    val document = JSONObject()
    document.put("results", JSONArray(rows.map { rowJson(it, device.name) }))
    document.put("devices", JSONObject().put(device.name, deviceJson(device)))
    val states = thermal.map { JSONObject().put("seconds", it.seconds).put("thermal_status", it.status ?: JSONObject.NULL) }
    document.put("states", JSONObject().put(device.name, JSONArray(states)))
    document.put("settings", JSONObject().put("rounds", protocol.rounds).put("iterations", protocol.runs))
    document.put("started", started)
    document.put("method", METHOD)
    return document.toString(2)
}

private fun rowJson(row: Row, device: String) = JSONObject().apply {
    put("model", row.model)
    put("precision", row.precision)
    put("device", device)
    put("delegate", row.case.backend.delegate)
    put("threads", row.case.backend.threads)
    put("size", JSONArray(listOf(row.case.size.width, row.case.size.height)))
    put("status", row.status)
    put("median_ms", row.median?.let(::ms) ?: JSONObject.NULL)
    put("ci95_ms", row.interval?.let { JSONArray(listOf(ms(it.first), ms(it.second))) } ?: JSONObject.NULL)
    put("p95_ms", row.p95?.let(::ms) ?: JSONObject.NULL)
    put("fps", row.fps?.let { Math.round(it * 100) / 100.0 } ?: JSONObject.NULL)
    put("runs", row.roundMedians.size)
    put("nodes_delegated", row.nodesDelegated ?: JSONObject.NULL)
    put("nodes_total", row.nodesTotal)
    put("note", row.note)
    put("run_ms", JSONArray(row.roundMedians.map(::ms)))
}

private fun deviceJson(device: DeviceFacts) = JSONObject().apply {
    put("kind", "phone")
    put("model", device.model)
    put("soc", device.soc)
    put("system", device.system)
    put("fingerprint", device.fingerprint)
    put("abis", JSONArray(device.abis))
    put("tool", JSONObject().put("kind", "app").put("version", device.runtime))
    put("notes", JSONArray(listOf("Measured by the demo app, inside one process.")))
}

private fun ms(value: Double) = Math.round(value * 10_000) / 10_000.0

private const val METHOD =
    "Measured by the demo app in one process: each round opens the model anew, warms up and times its runs; rounds of " +
        "all rows are interleaved. median_ms and p95_ms: median over rounds; ci95_ms: over rounds, as in ecbsr-bench."
