package ecbsr.demo.core

import kotlin.math.exp
import kotlin.math.floor
import kotlin.math.ln
import kotlin.math.pow
import kotlin.math.sqrt

/**
 * The figure of a row of results, as `ecbsr-bench` takes it: the median over rounds of each round's median,
 * and an interval over rounds alone, since runs inside one round share its temperature and its memory layout.
 */
object Statistics {
    // Student's t, two-sided 95 %, for 1 to 4 degrees of freedom.
    private val STUDENT = doubleArrayOf(12.706, 4.303, 3.182, 2.776)
    private const val LEVEL = 0.95

    fun median(values: List<Double>) = percentile(values, 0.5)

    /** The value that [fraction] of [values] do not exceed, by linear interpolation between neighbours. */
    fun percentile(values: List<Double>, fraction: Double): Double {
        val ordered = values.sorted()
        val position = (ordered.size - 1) * fraction
        val below = floor(position).toInt()
        val above = minOf(below + 1, ordered.size - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
    }

    /**
     * A 95 % interval for the median of the population that positive [values] come from, or null for fewer
     * than 2. From 6 on, the narrowest pair of order statistics that holds it with 95 % (binomial; Conover,
     * Practical Nonparametric Statistics, 3.2); below, Student's t on the logarithms, widened to the extremes.
     */
    fun interval(values: List<Double>): Pair<Double, Double>? {
        val ordered = values.sorted()
        val count = ordered.size
        if (count < 2) return null
        if (count <= STUDENT.size + 1) {
            val logs = ordered.map { ln(it) }
            val center = logs.average()
            val deviation = sqrt(logs.sumOf { (it - center).pow(2) } / (count - 1))
            val half = STUDENT[count - 2] * deviation / sqrt(count.toDouble())
            return minOf(ordered.first(), exp(center - half)) to maxOf(ordered.last(), exp(center + half))
        }
        var rank = 0
        var chance = 0.5.pow(count) // of exactly `rank` values below the median
        var tail = chance
        while (1 - 2 * tail >= LEVEL) {
            rank++
            chance *= (count - rank + 1).toDouble() / rank
            tail += chance
        }
        return ordered[rank - 1] to ordered[count - rank]
    }
}
