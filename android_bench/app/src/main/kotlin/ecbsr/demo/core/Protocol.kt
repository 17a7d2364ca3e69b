package ecbsr.demo.core

/** The extent of a measurement. [maxRoundNanos] limits the timed runs of one round on a slow phone. */
data class Protocol(val rounds: Int = 6, val runs: Int = 20, val warmUps: Int = 3, val maxRoundNanos: Long = 4_000_000_000)
