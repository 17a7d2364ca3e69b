package ecbsr.demo.core

import kotlin.math.exp
import kotlin.math.floor
import kotlin.math.ln
import kotlin.math.pow
import kotlin.math.sqrt

/**
 * The statistics of a row, as in `ecbsr-bench`. A row has the median of its rounds' medians and an interval over
 * rounds. The interval ignores the single runs, because the runs of a round share its temperature and memory layout.
 */
object Statistics {
    /** Student's t, two-sided 95 %, by the number of values. */
    private val STUDENT_T = mapOf(3 to 4.303, 4 to 3.182, 5 to 2.776)
    private const val CONFIDENCE = 0.95

    fun median(values: Collection<Double>) = percentile(values, 0.5)

    /** The percentile at [fraction] of [values], with linear interpolation. */
    fun percentile(values: Collection<Double>, fraction: Double): Double {
        val ordered = values.sorted()
        val position = (ordered.size - 1) * fraction
        val below = floor(position).toInt()
        val above = minOf(below + 1, ordered.size - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
    }

    /**
     * A 95 % confidence interval for the population median of positive [values], or null for fewer than 3 values.
     * From 6 values on, it is the narrowest pair of order statistics with that confidence (binomial; Conover,
     * Practical Nonparametric Statistics, 3.2). Below, it is Student's t interval of the logarithms, widened to the
     * minimum and maximum.
     */
    fun interval(values: List<Double>): Pair<Double, Double>? {
        val ordered = values.sorted()
        val count = ordered.size
        if (count < 3) return null
        STUDENT_T[count]?.let { t ->
            val logs = ordered.map { ln(it) }
            val center = logs.average()
            val deviation = sqrt(logs.sumOf { (it - center).pow(2) } / (count - 1))
            val half = t * deviation / sqrt(count.toDouble())
            return minOf(ordered.first(), exp(center - half)) to maxOf(ordered.last(), exp(center + half))
        }
        var rank = 0
        var probability = 0.5.pow(count) // of exactly `rank` values below the median
        var tail = probability
        while (1 - 2 * tail >= CONFIDENCE) {
            rank++
            probability *= (count - rank + 1).toDouble() / rank
            tail += probability
        }
        return ordered[rank - 1] to ordered[count - rank]
    }
}
