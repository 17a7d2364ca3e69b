package ecbsr.demo.core

import java.io.Serializable

/** The phone that runs the measurement, with the fields of `ecbsr-bench`. [notes] are sentences about its state. */
data class DeviceInfo(
    val name: String,
    val model: String,
    val soc: String,
    val system: String,
    val fingerprint: String,
    val abis: List<String>,
    val runtime: String,
    val notes: List<String> = emptyList(),
)

/** Android's thermal status, from 0 (none) to 6 (shutdown), or null if unknown, after [seconds] of a measurement. */
data class ThermalSample(val seconds: Double, val status: Int?) : Serializable
