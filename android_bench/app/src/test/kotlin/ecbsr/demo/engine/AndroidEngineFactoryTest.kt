package ecbsr.demo.engine

import android.os.Build
import ecbsr.demo.Fixtures
import ecbsr.demo.Screen
import ecbsr.demo.core.Backend
import ecbsr.demo.core.ElfFile
import ecbsr.demo.core.Size
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.UserFacingException
import java.io.File
import java.util.concurrent.TimeUnit
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.util.ReflectionHelpers

/** Opens engines on a machine that has bytedeco's runtime, but cannot load `org.tensorflow.lite`. */
class AndroidEngineFactoryTest : Screen() {
    @Test
    fun theCpuNeedsNoLibraryOfTensorflow() {
        factory(4096).open(model(), Backend.Cpu(2)).use { assertEquals(1, it.planLength) }
        assertEquals("2.21.0", BytedecoEngine.version)
    }

    @Test
    fun delegatesReportTheMissingLibrary() {
        assertTrue(rejection(Backend.Gpu).startsWith("The GPU delegate does not start on this phone"))
        assertTrue(rejection(Backend.Nnapi).startsWith("NNAPI does not start on this phone"))
    }

    @Test
    fun nnapiIsAvailableFromAndroid10To14() {
        for ((level, message) in mapOf(28 to "NNAPI needs Android 10", 35 to "NNAPI is deprecated since Android 15")) {
            val before = Build.VERSION.SDK_INT
            ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", level)
            try {
                assertTrue(rejection(Backend.Nnapi), rejection(Backend.Nnapi).startsWith(message))
            } finally {
                ReflectionHelpers.setStaticField(Build.VERSION::class.java, "SDK_INT", before)
            }
        }
    }

    @Test
    fun aPhoneWithLargePagesGetsNoGpu() {
        val message = "This phone has memory pages of 16 KB, and libtensorflowlite_jni.so supports pages of 4 KB only: use the CPU."
        assertEquals(message, rejection(Backend.Gpu, pageSize = 16384))
        assertEquals(message, rejection(Backend.Nnapi, pageSize = 16384))
        factory(16384).open(model(), Backend.Cpu(1)).close()
    }

    /** Both readers see the same numbers in the libraries of the APK. */
    @Test
    fun alignmentsAreThoseOfReadelf() {
        val files = LIBRARIES.walk().filter { it.extension == "so" }.toList()
        assertTrue("$files", files.size >= 6)
        for (file in files) {
            val process = ProcessBuilder("readelf", "-lW", file.path).redirectError(ProcessBuilder.Redirect.DISCARD).start()
            val lines = process.inputStream.bufferedReader().readLines().filter { it.trim().startsWith("LOAD") }
            process.waitFor(60, TimeUnit.SECONDS)
            val expected = lines.minOf { java.lang.Long.decode(it.trim().split(Regex("\\s+")).last()) }
            assertEquals(file.path, expected, ElfFile.alignment(file))
        }
        assertNull(ElfFile.alignment(File(LIBRARIES, "missing.so")))
        assertNull(ElfFile.alignment(Fixtures.bundled.first()))
    }

    private fun model() = SrModel.read("x2", Fixtures.bundled.first().readBytes()).resized(Size(32, 32))

    private fun factory(pageSize: Long) = AndroidEngineFactory(File(LIBRARIES, "arm64-v8a"), pageSize)

    private fun rejection(backend: Backend, pageSize: Long = 4096): String =
        assertThrows(UserFacingException::class.java) { factory(pageSize).open(model(), backend) }.message

    private companion object {
        /** What build-apk.sh packs. */
        val LIBRARIES = File(System.getProperty("ecbsr.libraries") ?: "../../build/app/parts/lib")
    }
}
