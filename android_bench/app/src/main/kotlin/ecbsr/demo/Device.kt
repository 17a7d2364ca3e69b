package ecbsr.demo

import android.content.Context
import android.os.Build
import android.os.PowerManager
import ecbsr.demo.core.DeviceInfo
import ecbsr.demo.engine.BytedecoEngine
import org.tensorflow.lite.TensorFlowLite

/** This phone, its Android version and its TensorFlow Lite. */
fun deviceInfo(): DeviceInfo {
    val model = "${Build.MANUFACTURER} ${Build.MODEL}"
    return DeviceInfo(
        name = "$model (app)",
        model = model,
        soc = if (Build.VERSION.SDK_INT >= 31) "${Build.SOC_MANUFACTURER} ${Build.SOC_MODEL}" else Build.HARDWARE,
        system = "Android ${Build.VERSION.RELEASE} (API ${Build.VERSION.SDK_INT})",
        fingerprint = Build.FINGERPRINT,
        abis = Build.SUPPORTED_ABIS.toList(),
        runtime = runtime(),
    )
}

/** The versions of the two runtimes. */
private fun runtime(): String {
    val lite = try {
        TensorFlowLite.runtimeVersion()
    } catch (_: LinkageError) {
        "not loaded"
    }
    return BytedecoEngine.version?.let { "$it (GPU and NNAPI: $lite)" } ?: lite
}

/** Whether the battery saver is on, which lowers the clocks. */
val Context.isBatterySaverOn: Boolean get() = getSystemService(PowerManager::class.java).isPowerSaveMode

/** Android's thermal status, from 0 (none) to 6 (shutdown), or null before Android 10. */
fun Context.thermalStatus(): Int? =
    if (Build.VERSION.SDK_INT >= 29) getSystemService(PowerManager::class.java).currentThermalStatus else null
