package ecbsr.demo.engine

import ecbsr.demo.Fixtures
import ecbsr.demo.core.Backend
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.PixelsInMemory
import ecbsr.demo.core.Size
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.SrUpscaler
import ecbsr.demo.core.UserFacingException
import ecbsr.demo.core.upscaleToPixels
import java.io.File
import kotlin.math.abs
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test

/** Runs the app's engine with `org.tensorflow.lite` and its JNI library, in a desktop build. */
class LiteEngineTest {
    private val engines = EngineFactory { model, backend -> LiteEngine(model, backend.threads) }

    @Before
    fun loadTheLibrary() {
        val library = File.createTempFile("tensorflowlite_jni", ".so").apply { deleteOnExit() }
        javaClass.getResourceAsStream("/native/lib/libtensorflowlite_jni.so")!!.use { from ->
            library.outputStream().use { from.copyTo(it) }
        }
        System.load(library.path)
    }

    @Test
    fun floatModelsEqualEcbsrUpscale() {
        for (file in Fixtures.models.filter { "float" in it.name || "fp32" in it.name }) {
            assertTrue(file.name, differences(file, "chelsea").max() <= 1)
        }
    }

    @Test
    fun bundledModelsAreCloseToEcbsrUpscale() {
        // The int8 kernels of this older release round differently, so the results are close but not equal.
        for (file in Fixtures.bundled) for (name in listOf("chelsea", "transparent")) {
            val differences = differences(file, name)
            assertTrue("${file.name} $name: ${differences.average()}", differences.average() < 1)
            val large = differences.count { it > 8 }
            assertTrue("${file.name} $name: $large of ${differences.size}", large < differences.size / 1000)
        }
    }

    private fun differences(file: File, name: String): List<Int> {
        val model = SrModel.read(file.nameWithoutExtension, file.readBytes())
        val source = PixelsInMemory(Fixtures.picture(name))
        val upscaled = SrUpscaler(model, engines, Backend.Cpu(2)).use { upscaleToPixels(source, source.whole, it) }
        val expected = Fixtures.read(Fixtures.file("upscaled/${file.nameWithoutExtension}--$name.png"))
        return upscaled.argb.indices.map { i ->
            listOf(0, 8, 16, 24).maxOf { abs((upscaled.argb[i] ushr it and 255) - (expected.argb[i] ushr it and 255)) }
        }
    }

    @Test
    fun reportsTheLengthOfTheExecutionPlan() {
        val model = SrModel.read("x2", Fixtures.bundled.first().readBytes())
        LiteEngine(model.resized(Size(32, 32)), 1).use { assertTrue("${it.planLength}", it.planLength in 1..model.nodes) }
    }

    @Test
    fun reportsAModelThatTheRuntimeRejects() {
        val bytes = SrModel.read("x2", Fixtures.bundled.first().readBytes()).resized(Size(32, 32))
        bytes.put(4, 'X'.code.toByte())
        val error = assertThrows(UserFacingException::class.java) { LiteEngine(bytes, 1) }
        assertTrue(error.message, error.message.startsWith("The runtime rejected the model: "))
    }
}
