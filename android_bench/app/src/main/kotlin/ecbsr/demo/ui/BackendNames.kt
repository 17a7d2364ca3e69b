package ecbsr.demo.ui

import android.content.Context
import ecbsr.demo.R
import ecbsr.demo.core.Backend
import java.util.Locale

/** The name of a backend on the screen. */
internal fun Context.name(backend: Backend): String = when (backend) {
    is Backend.Cpu -> if (backend.threads == 1) getString(R.string.cpu_one) else getString(R.string.cpu_many, backend.threads)
    Backend.Gpu -> getString(R.string.gpu)
    Backend.Nnapi -> getString(R.string.nnapi)
}

/** Three significant digits, because a repeated run confirms no more. */
internal fun rounded(value: Double) = String.format(Locale.ENGLISH, if (value < 10) "%.2f" else if (value < 100) "%.1f" else "%.0f", value)

/** Android's thermal status as a sentence. */
internal fun Context.thermalText(status: Int?): String = if (status == null) {
    getString(R.string.thermal_unknown)
} else {
    getString(R.string.thermal, resources.getStringArray(R.array.thermal_statuses).getOrElse(status) { "$status" })
}
