package ecbsr.demo.core.video

import ecbsr.demo.core.Statistics

/** What the screen shows about the last seconds. Times are in milliseconds, and null if nothing was measured. */
data class VideoNumbers(
    val shownPerSecond: Double,
    val inference: Double?,
    val latencyP50: Double?,
    val latencyP95: Double?,
    val dropped: Int,
)

/**
 * Counts the pictures of a session. Any thread may use it.
 *
 * A picture is dropped if a newer one replaces it before the model gets it, or if it is too late. Pictures that the
 * governor leaves out are skipped, not dropped.
 */
class VideoStatistics(private val nanoTime: () -> Long = System::nanoTime) {
    private class Sample(val nanos: Long, val value: Double)

    private val shown = ArrayDeque<Sample>() // the value is the latency, or NaN for a file
    private val inferences = ArrayDeque<Sample>()
    private val latency = Histogram()
    @Volatile var shownCount = 0
        private set
    @Volatile var droppedCount = 0
        private set
    @Volatile var skippedCount = 0
        private set

    @Synchronized
    fun inferred(milliseconds: Double) {
        inferences.addLast(Sample(nanoTime(), milliseconds))
        inferences.trim()
    }

    /** A picture reached the screen; [captureNanos] is 0 for a file. */
    @Synchronized
    fun shown(captureNanos: Long) {
        val now = nanoTime()
        val milliseconds = if (captureNanos == 0L) Double.NaN else (now - captureNanos) / 1e6
        if (!milliseconds.isNaN()) latency.add(milliseconds)
        shownCount++
        shown.addLast(Sample(now, milliseconds))
        shown.trim()
    }

    @Synchronized
    fun dropped() {
        droppedCount++
    }

    @Synchronized
    fun skipped() {
        skippedCount++
    }

    /** The inference times of the last second. */
    @Synchronized
    fun recentInferences(): List<Double> = inferences.since(nanoTime() - SECOND)

    @Synchronized
    fun numbers(): VideoNumbers {
        shown.trim()
        inferences.trim()
        val latencies = shown.map { it.value }.filter { !it.isNaN() }
        return VideoNumbers(
            shownPerSecond = shown.since(nanoTime() - WINDOW).size * SECOND.toDouble() / WINDOW,
            inference = inferences.map { it.value }.ifEmpty { null }?.let(Statistics::median),
            latencyP50 = latencies.ifEmpty { null }?.let(Statistics::median),
            latencyP95 = latencies.ifEmpty { null }?.let { Statistics.percentile(it, 0.95) },
            dropped = droppedCount,
        )
    }

    /** The latency from capture to display over the whole session, at 0.5 and 0.95. */
    fun latency(fraction: Double) = latency.percentile(fraction)

    private fun ArrayDeque<Sample>.trim() {
        while (isNotEmpty() && first().nanos < nanoTime() - WINDOW) removeFirst()
    }

    private fun ArrayDeque<Sample>.since(nanos: Long) = filter { it.nanos >= nanos }.map { it.value }

    private companion object {
        const val SECOND = 1_000_000_000L
        const val WINDOW = 2 * SECOND
    }
}
