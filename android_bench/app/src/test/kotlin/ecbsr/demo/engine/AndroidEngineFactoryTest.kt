package ecbsr.demo.engine

import android.os.Build
import ecbsr.demo.Fixtures
import ecbsr.demo.Screen
import ecbsr.demo.core.Backend
import ecbsr.demo.core.Size
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.UserFacingException
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.util.ReflectionHelpers

/** Opens engines on a machine that cannot load the runtime library. */
class AndroidEngineFactoryTest : Screen() {
    @Test
    fun everyBackendReportsTheMissingLibrary() {
        assertEquals("TensorFlow Lite's library does not load on this phone.", rejection(Backend.Cpu(4)))
        assertTrue(rejection(Backend.Gpu).startsWith("The GPU delegate does not start on this phone"))
        assertTrue(rejection(Backend.Nnapi).startsWith("NNAPI does not start on this phone"))
    }

    @Test
    fun nnapiIsAvailableUpToAndroid14() {
        for ((level, message) in mapOf(26 to "NNAPI needs Android 8.1", 35 to "NNAPI is deprecated since Android 15")) {
            val before = Build.VERSION.SDK_INT
            ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", level)
            try {
                assertTrue(rejection(Backend.Nnapi), rejection(Backend.Nnapi).startsWith(message))
            } finally {
                ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", before)
            }
        }
    }

    private fun rejection(backend: Backend): String {
        val model = SrModel.read("x2", Fixtures.bundled.first().readBytes()).resized(Size(32, 32))
        return assertThrows(UserFacingException::class.java) { AndroidEngineFactory.open(model, backend) }.message
    }
}
