package ecbsr.demo.engine

import ecbsr.demo.Fixtures
import ecbsr.demo.core.Engines
import ecbsr.demo.core.Backend
import ecbsr.demo.core.PixelsInMemory
import ecbsr.demo.core.Refused
import ecbsr.demo.core.SrMethod
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.Size
import ecbsr.demo.core.enlargeToPixels
import java.io.File
import kotlin.math.abs
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test

/** The app's own engine through the real `org.tensorflow.lite` and its JNI library, in a desktop build. */
class LiteEngineTest {
    private val engines = Engines { model, backend -> LiteEngine(model, backend.threads) }

    @Before
    fun loadTheLibrary() {
        val library = File.createTempFile("tensorflowlite_jni", ".so").apply { deleteOnExit() }
        javaClass.getResourceAsStream("/native/lib/libtensorflowlite_jni.so")!!.use { from ->
            library.outputStream().use { from.copyTo(it) }
        }
        System.load(library.path)
    }

    @Test
    fun floatModelsGiveThePictureOfEcbsrUpscale() {
        for (file in Fixtures.models.filter { "float" in it.name || "fp32" in it.name }) {
            assertTrue(file.name, differences(file, "chelsea").max() <= 1)
        }
    }

    @Test
    fun theBundledModelsComeClose() {
        // This older release has other int8 kernels, which round each layer otherwise: close, not equal.
        for (file in Fixtures.bundled) for (name in listOf("chelsea", "transparent")) {
            val differences = differences(file, name)
            assertTrue("${file.name} $name: ${differences.average()}", differences.average() < 1)
            val far = differences.count { it > 8 }
            assertTrue("${file.name} $name: $far of ${differences.size}", far < differences.size / 1000)
        }
    }

    private fun differences(file: File, name: String): List<Int> {
        val model = SrModel.read(file.nameWithoutExtension, file.readBytes())
        val source = PixelsInMemory(Fixtures.picture(name))
        val larger = SrMethod(model, engines, Backend.Cpu(2)).use { enlargeToPixels(source, source.whole, it) }
        val expected = Fixtures.read(Fixtures.file("upscaled/${file.nameWithoutExtension}--$name.png"))
        return larger.argb.indices.map { i ->
            listOf(0, 8, 16, 24).maxOf { abs((larger.argb[i] ushr it and 255) - (expected.argb[i] ushr it and 255)) }
        }
    }

    @Test
    fun itSaysHowManyStepsAreLeft() {
        val model = SrModel.read("x2", Fixtures.bundled.first().readBytes())
        LiteEngine(model.stamped(Size(32, 32)), 1).use { assertTrue("${it.steps}", it.steps in 1..model.nodes) }
    }

    @Test
    fun aModelThatTheRuntimeDoesNotTakeIsRefusedInASentence() {
        val bytes = SrModel.read("x2", Fixtures.bundled.first().readBytes()).stamped(Size(32, 32))
        bytes.put(4, 'X'.code.toByte())
        val refused = assertThrows(Refused::class.java) { LiteEngine(bytes, 1) }
        assertTrue(refused.message, refused.message.startsWith("The runtime refused the model: "))
    }
}
