package ecbsr.demo.core

import java.io.Serializable

/** Android's thermal status, from 0 (none) to 6 (shutdown), or null if unknown, after [seconds] of a measurement. */
data class ThermalSample(val seconds: Double, val status: Int?) : Serializable
