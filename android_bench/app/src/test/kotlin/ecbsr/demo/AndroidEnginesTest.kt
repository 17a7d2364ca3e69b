package ecbsr.demo

import android.os.Build
import ecbsr.demo.core.Backend
import ecbsr.demo.core.Refused
import ecbsr.demo.core.Size
import ecbsr.demo.core.SrModel
import ecbsr.demo.engine.AndroidEngines
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.util.ReflectionHelpers

/** The app's own engines where the runtime's libraries do not load, as on a phone that they were not built for. */
class AndroidEnginesTest : Screen() {
    @Test
    fun withoutTheRuntimesLibraryThereIsASentenceForEachBackend() {
        assertEquals("TensorFlow Lite's library does not load on this phone.", refusal(Backend.Cpu(4)))
        assertTrue(refusal(Backend.Gpu).startsWith("The GPU delegate does not start on this phone"))
        assertTrue(refusal(Backend.Nnapi).startsWith("NNAPI does not start on this phone"))
    }

    @Test
    fun nnapiIsTimedUpToAndroid14() {
        for ((level, sentence) in mapOf(26 to "NNAPI came with Android 8.1", 35 to "NNAPI is deprecated since Android 15")) {
            val before = Build.VERSION.SDK_INT
            ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", level)
            try {
                assertTrue(refusal(Backend.Nnapi), refusal(Backend.Nnapi).startsWith(sentence))
            } finally {
                ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", before)
            }
        }
    }

    private fun refusal(backend: Backend): String {
        val model = SrModel.read("x2", Fixtures.bundled.first().readBytes()).stamped(Size(32, 32))
        return assertThrows(Refused::class.java) { AndroidEngines.open(model, backend) }.message
    }
}
