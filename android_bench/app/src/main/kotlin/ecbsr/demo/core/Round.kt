package ecbsr.demo.core

/**
 * One round of a case.
 *
 * @property status a status of `ecbsr-bench`.
 * @property times the milliseconds of each run.
 * @property nodesDelegated null if unknown.
 */
internal class Round(val status: String, val times: List<Double>, val nodesDelegated: Int?, val note: String) {
    companion object {
        /** The statuses whose rows have times, best first. */
        val TIMED = listOf("ok", "partial", "throttled")

        /** The statuses after which a case is not tried again. */
        val FAILED = listOf("unsupported", "failed")
    }
}
