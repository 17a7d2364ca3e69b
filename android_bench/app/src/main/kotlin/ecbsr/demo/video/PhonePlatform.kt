package ecbsr.demo.video

import android.content.Context
import android.os.Build
import android.os.PerformanceHintManager
import android.os.PowerManager
import android.os.Process
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.video.PerformanceHints
import ecbsr.demo.core.video.ThermalReading
import ecbsr.demo.core.video.VideoPlatform
import ecbsr.demo.thermalStatus

/** This phone: its engines, its temperature (headroom from Android 11 on) and its performance hints (from Android 12 on). */
class PhonePlatform(private val context: Context, override val engines: EngineFactory) : VideoPlatform {
    override fun thermal(): ThermalReading {
        val headroom = if (Build.VERSION.SDK_INT >= 30) {
            context.getSystemService(PowerManager::class.java).getThermalHeadroom(FORECAST_SECONDS)
        } else {
            null
        }
        return ThermalReading(context.thermalStatus(), headroom)
    }

    override fun openHints(): PerformanceHints? {
        if (Build.VERSION.SDK_INT < 31) return null
        val manager: PerformanceHintManager? = context.getSystemService(PerformanceHintManager::class.java)
        val session = manager?.createHintSession(intArrayOf(Process.myTid()), TARGET_NANOS) ?: return null
        return SessionHints(session)
    }

    private class SessionHints(private val session: PerformanceHintManager.Session) : PerformanceHints {
        private var target = TARGET_NANOS

        override fun report(targetNanos: Long, actualNanos: Long) {
            if (targetNanos != target) session.updateTargetWorkDuration(targetNanos)
            target = targetNanos
            session.reportActualWorkDuration(actualNanos)
        }

        override fun close() = session.close()
    }

    private companion object {
        const val FORECAST_SECONDS = 10
        const val TARGET_NANOS = 33_333_333L
    }
}
