package ecbsr.demo.core.video

import ecbsr.demo.core.Backend
import ecbsr.demo.core.Case
import ecbsr.demo.core.Delegation
import ecbsr.demo.core.DeviceInfo
import ecbsr.demo.core.Round
import ecbsr.demo.core.Row
import ecbsr.demo.core.Size
import ecbsr.demo.core.ThermalSample
import ecbsr.demo.core.resultsDocument
import org.json.JSONArray
import org.json.JSONObject

/**
 * What a video session measured, for `ecbsr-bench --import`. Any thread may use it.
 *
 * @param source "clip", "file" or "camera".
 * @param started the time in ISO 8601.
 */
class SessionRecord(
    private val source: String,
    private val started: String,
    private val statistics: VideoStatistics,
    private val nanoTime: () -> Long = System::nanoTime,
) {
    private data class Key(val model: String, val backend: Backend, val size: Size)

    private class Segment(val precision: String, val delegation: Delegation, val nodes: Int) {
        val cool = Histogram()
        val throttled = Histogram()
    }

    private val startNanos = nanoTime()
    private var endNanos: Long? = null
    private val segments = linkedMapOf<Key, Segment>()
    private val thermal = mutableListOf<ThermalSample>()
    private val changes = mutableListOf<JSONObject>()
    private val seconds get() = ((endNanos ?: nanoTime()) - startNanos) / 1e9

    /** One run of the model, on a phone with this thermal status. */
    @Synchronized
    internal fun inferred(upscaler: LumaUpscaler, milliseconds: Double, thermalStatus: Int?) {
        val segment = segments.getOrPut(Key(upscaler.model.name, upscaler.backend, upscaler.size)) {
            Segment(upscaler.model.precision, upscaler.delegation, upscaler.model.nodes)
        }
        (if ((thermalStatus ?: 0) > 0) segment.throttled else segment.cool).add(milliseconds)
    }

    /** The state of the phone, about once a second; only changes and every tenth are kept. */
    @Synchronized
    fun thermal(reading: ThermalReading) {
        val last = thermal.lastOrNull()
        if (last != null && last.status == reading.status && seconds - last.seconds < KEEP_SECONDS) return
        if (thermal.size < MAX_SAMPLES) thermal += ThermalSample(seconds, reading.status)
    }

    @Synchronized
    fun effort(effort: Effort, cause: Cause) {
        if (changes.size >= MAX_SAMPLES) return
        changes += JSONObject().put("seconds", seconds).put("effort", effort.name.lowercase()).put("cause", cause.name.lowercase())
    }

    /** The session is over: its duration does not grow any more. */
    @Synchronized
    fun end() {
        if (endNanos == null) endNanos = nanoTime()
    }

    @get:Synchronized
    val isEmpty get() = segments.isEmpty()

    @Synchronized
    fun toJson(device: DeviceInfo): String {
        val video = JSONObject().apply {
            put("source", source)
            put("seconds", seconds)
            put("shown", statistics.shownCount)
            put("dropped", statistics.droppedCount)
            put("skipped", statistics.skippedCount)
            put("latency_p50_ms", statistics.latency(0.5) ?: JSONObject.NULL)
            put("latency_p95_ms", statistics.latency(0.95) ?: JSONObject.NULL)
            put("governor", JSONArray(changes))
        }
        val named = device.copy(name = device.name.removeSuffix(" (app)") + " (app, video)")
        val rows = segments.map { (key, segment) -> row(key, segment) }
        return resultsDocument(rows, named, thermal, JSONObject(), started, METHOD).put("video", video).toString(2)
    }

    private fun row(key: Key, segment: Segment): Row {
        val isTimed = segment.delegation.status in Round.TIMED
        val isCool = segment.cool.count > 0
        val times = if (isCool) segment.cool else segment.throttled
        val median = times.percentile(0.5).takeIf { isTimed }
        val note = "Video: ${times.count} pictures, ${statistics.shownCount} shown, ${statistics.droppedCount} dropped. ${segment.delegation.note}"
        return Row(
            key.model, segment.precision, Case(key.backend, key.size),
            status = if (isTimed && !isCool) "throttled" else segment.delegation.status,
            median = median,
            interval = null, // the pictures of one session are one run
            p95 = times.percentile(0.95).takeIf { isTimed },
            roundMedians = listOfNotNull(median),
            nodesDelegated = segment.delegation.nodes,
            nodesTotal = segment.nodes,
            note = note.trimEnd(),
        )
    }

    private companion object {
        const val KEEP_SECONDS = 10
        const val MAX_SAMPLES = 10_000
        const val METHOD =
            "Measured by the demo app while it played a video: the time of each inference, with other work of the app " +
                "beside it. One session is one run."
    }
}
