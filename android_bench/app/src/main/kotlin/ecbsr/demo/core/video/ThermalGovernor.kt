package ecbsr.demo.core.video

/** What the phone reports about its temperature. */
data class ThermalReading(
    /** Android's thermal status, from 0 (none) to 6 (shutdown), or null if unknown. */
    val status: Int? = null,
    /** How near the phone is to severe throttling, where 1 is there; null or NaN if unknown. */
    val headroom: Float? = null,
) {
    private val knownHeadroom = headroom?.takeIf { !it.isNaN() }

    val isHot get() = (status ?: 0) >= MODERATE || (knownHeadroom ?: 0f) >= 1f
    val isVeryHot get() = (status ?: 0) >= SEVERE

    /** An unknown temperature is not cool. */
    val isCool get() = when {
        isHot -> false
        knownHeadroom != null -> knownHeadroom < COOL_HEADROOM
        else -> status == 0
    }

    private companion object {
        const val MODERATE = 2
        const val SEVERE = 3
        const val COOL_HEADROOM = 0.85f
    }
}

/** How much the app does for each picture, from most to least. */
enum class Effort { FULL, HALF_RATE, SMALLER_MODEL, BILINEAR }

/** Why the governor reduced the effort. */
enum class Cause { NONE, SLOW, HOT }

/**
 * Reduces the effort when the phone is hot or too slow, and increases it again when there is room. [update] is called
 * once a second. The governor waits before each change, and longer after each attempt that failed, so that it does
 * not alternate.
 */
class ThermalGovernor(private val efforts: List<Effort>) {
    private var index = 0
    private var slowSeconds = 0
    private var hotSeconds = 0
    private var goodSeconds = 0
    private var wait = FIRST_WAIT
    private var sinceStepUp = Int.MAX_VALUE / 2
    val effort get() = efforts[index]
    var cause = Cause.NONE
        private set

    /**
     * @param inferenceMillis the inference time of the last second (95th percentile), or null if there was none.
     * @param frameMillis the time between two pictures of the video.
     */
    fun update(inferenceMillis: Double?, frameMillis: Double, thermal: ThermalReading): Effort {
        val budget = frameMillis * if (effort == Effort.HALF_RATE) 2 else 1
        val isSlow = inferenceMillis != null && inferenceMillis > budget
        slowSeconds = if (isSlow) slowSeconds + 1 else 0
        hotSeconds = if (thermal.isHot) hotSeconds + 1 else 0
        goodSeconds = if (hasRoom(inferenceMillis, frameMillis, thermal)) goodSeconds + 1 else 0
        sinceStepUp++
        when {
            thermal.isVeryHot || hotSeconds >= HOT_SECONDS -> stepDown(Cause.HOT)
            slowSeconds >= SLOW_SECONDS -> stepDown(Cause.SLOW)
            goodSeconds >= wait && index > 0 -> stepUp()
        }
        return effort
    }

    /** Whether the next higher effort would probably be possible. */
    private fun hasRoom(inferenceMillis: Double?, frameMillis: Double, thermal: ThermalReading): Boolean {
        if (thermal.isHot || cause == Cause.HOT && !thermal.isCool) return false
        // Only the step from half to full rate has a known cost; the others are tried.
        return effort != Effort.HALF_RATE || inferenceMillis != null && inferenceMillis < frameMillis * ROOM
    }

    private fun stepDown(newCause: Cause) {
        restart()
        if (index == efforts.lastIndex) return
        index++
        cause = newCause
        wait = if (sinceStepUp < wait) minOf(2 * wait, LAST_WAIT) else FIRST_WAIT
    }

    private fun stepUp() {
        restart()
        index--
        sinceStepUp = 0
        if (index == 0) cause = Cause.NONE
    }

    private fun restart() {
        slowSeconds = 0
        hotSeconds = 0
        goodSeconds = 0
    }

    companion object {
        const val SLOW_SECONDS = 3
        const val HOT_SECONDS = 2
        const val FIRST_WAIT = 10
        const val LAST_WAIT = 160
        const val ROOM = 0.8
    }
}
