package ecbsr.demo.ui

import android.view.WindowManager
import ecbsr.demo.GatedEngineFactory
import ecbsr.demo.PictureScreen
import ecbsr.demo.R
import java.util.concurrent.Semaphore
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class StatusStripTest : PictureScreen() {
    @Test
    fun keepsTheScreenOnDuringATask() {
        val engines = GatedEngineFactory(Semaphore(0))
        app.engines = engines
        val activity = launch().get()
        waitUntil { viewModel.task?.label == R.string.task_upscale }
        fun staysOn() = activity.window.attributes.flags and WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON != 0
        assertTrue(staysOn())
        engines.open()
        settle()
        assertFalse(staysOn())
    }
}
