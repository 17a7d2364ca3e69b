package ecbsr.demo

import ecbsr.demo.core.DeviceInfo
import ecbsr.demo.core.Protocol
import ecbsr.demo.core.Row
import ecbsr.demo.core.ThermalSample
import ecbsr.demo.core.resultsJson
import java.io.Serializable

/** The rows and thermal states of a measurement. The instance state keeps it when the system ends the process. */
class TimingRecord(private val started: String) : Serializable {
    val rows = mutableListOf<Row>()
    private val thermal = mutableListOf<ThermalSample>()
    private var batterySaver = false

    /** Adds a row, or replaces the one of the same case. */
    fun put(row: Row, sample: ThermalSample, isBatterySaverOn: Boolean) {
        rows.removeAll { it.case == row.case }
        rows += row
        thermal += sample
        batterySaver = batterySaver || isBatterySaverOn
    }

    fun toJson(device: DeviceInfo, protocol: Protocol) = resultsJson(rows, device.copy(notes = notes()), thermal, protocol, started)

    private fun notes() = listOfNotNull(
        "The battery saver was on, which lowers the clocks.".takeIf { batterySaver },
        "It reports no thermal status (Android 10 and later do): nothing shows whether it was throttled.".takeIf { thermal.all { it.status == null } },
    )
}
