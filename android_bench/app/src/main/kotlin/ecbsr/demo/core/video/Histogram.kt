package ecbsr.demo.core.video

/** Durations, counted in steps of 0.05 ms up to 2 s, so that a session of any length needs the same memory. */
class Histogram {
    private val counts = IntArray(STEPS)
    var count = 0
        private set

    @Synchronized
    fun add(milliseconds: Double) {
        counts[(milliseconds / STEP).toInt().coerceIn(0, STEPS - 1)]++
        count++
    }

    /** The duration below which [fraction] of the durations lie, in milliseconds; null without durations. */
    @Synchronized
    fun percentile(fraction: Double): Double? {
        if (count == 0) return null
        var remaining = fraction * count
        val step = counts.indices.first { index ->
            remaining -= counts[index]
            remaining <= 0 && counts[index] > 0
        }
        return (step + 0.5) * STEP
    }

    private companion object {
        const val STEP = 0.05
        const val STEPS = 40_000
    }
}
