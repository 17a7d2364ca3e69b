package ecbsr.demo.core

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
