package ecbsr.demo.core

import org.json.JSONArray
import org.json.JSONObject

/** The document that `ecbsr-bench --import` reads. */
fun resultsJson(rows: List<Row>, device: DeviceInfo, thermal: List<ThermalSample>, protocol: Protocol, started: String): String {
    val settings = JSONObject().put("rounds", protocol.rounds).put("iterations", protocol.runs)
    return resultsDocument(rows, device, thermal, settings, started, METHOD).toString(2)
}

/** The same for any measurement; [method] says how it was made. */
internal fun resultsDocument(
    rows: List<Row>,
    device: DeviceInfo,
    thermal: List<ThermalSample>,
    settings: JSONObject,
    started: String,
    method: String,
): JSONObject {
    val document = JSONObject().put("schema", SCHEMA)
    document.put("results", JSONArray(rows.map { rowJson(it, device.name) }))
    document.put("devices", JSONObject().put(device.name, deviceJson(device)))
    val states = thermal.map { JSONObject().put("seconds", it.seconds).put("thermal_status", it.status ?: JSONObject.NULL) }
    document.put("states", JSONObject().put(device.name, JSONArray(states)))
    document.put("settings", settings)
    document.put("started", started)
    document.put("method", method)
    return document
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

private fun deviceJson(device: DeviceInfo) = JSONObject().apply {
    put("kind", "phone")
    put("model", device.model)
    put("soc", device.soc)
    put("system", device.system)
    put("fingerprint", device.fingerprint)
    put("abis", JSONArray(device.abis))
    put("tool", JSONObject().put("kind", "app").put("version", device.runtime))
    put("notes", JSONArray(listOf("Measured by the demo app, in one process.") + device.notes))
}

private fun ms(value: Double) = Math.round(value * 10_000) / 10_000.0

/** The version of the document's format, which `android_bench.results.serialize` checks. */
private const val SCHEMA = 1

private const val METHOD =
    "Measured by the demo app in one process: each round loads the model, warms up and times its runs; the rounds of " +
        "all rows are interleaved. median_ms and p95_ms: median over rounds; ci95_ms: over rounds, as in ecbsr-bench."
