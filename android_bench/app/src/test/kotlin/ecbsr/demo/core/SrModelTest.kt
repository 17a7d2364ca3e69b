package ecbsr.demo.core

import ecbsr.demo.DesktopEngineFactory
import ecbsr.demo.Fixtures
import java.util.Random
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** Reads models and compares them with what the Python side reads. */
class SrModelTest {
    @Test
    fun readsWhatPythonReads() {
        val models = JSONObject(Fixtures.file("models.json").readText())
        for (file in Fixtures.models) {
            val expected = models.getJSONObject(file.nameWithoutExtension)
            val model = read(file.readBytes())
            val operators = expected.getJSONObject("operators").let { json -> json.keys().asSequence().associateWith(json::getInt) }
            assertEquals(file.name, operators, model.operators)
            assertEquals(file.name, expected.getInt("scale"), model.scale)
            val size = expected.getJSONArray("size")
            assertEquals(file.name, if (size.getInt(0) < 0) null else Size(size.getInt(0), size.getInt(1)), model.storedSize)
        }
    }

    @Test
    fun readsDtypesAndChannelsFromTheTensors() {
        fun describe(name: String) = read(Fixtures.model(name)).run { "$channels ${input.dtype} $precision $seamless $halo" }
        assertEquals("1 int8 int8 true 6", describe("ecbsr-m4c16-x2-int8"))
        assertEquals("1 int8 int8 true 5", describe("made-y-x2-four-int8")) // in steps of two pixels
        assertEquals("1 float32 fp32 true 6", describe("ecbsr-m4c16-x4-fp32"))
        assertEquals("3 uint8 uint8 true 1", describe("made-rgb-x2-uint8"))
        assertEquals("3 float32 fp32 true 3", describe("made-rgb-x3-float"))
        assertEquals("1 float32 fp32 false 12", describe("made-y-x2-fixed")) // the receptive field is unlimited
    }

    @Test
    fun bundledModelsHaveARecipe() {
        for (file in Fixtures.bundled) {
            val recipe = read(file.readBytes()).recipe
            assertEquals(file.name.removeSuffix("-int8.tflite"), recipe["model.name"])
            assertEquals("int8", recipe["precision"])
            assertTrue("$recipe", recipe.getValue("loss.psnr_drop_db").toDouble() < 1)
        }
    }

    @Test
    fun aResizedModelRunsAtItsSize() {
        for (file in Fixtures.models.filter { !it.name.contains("fixed") }) {
            val model = read(file.readBytes())
            for (size in listOf(Size(1, 1), Size(33, 7), Size(64, 48))) {
                DesktopEngineFactory.open(model.resized(size), Backend.Cpu(1)).use { engine ->
                    engine.run(model.inputBuffer(size), model.outputBuffer(size)) // checks both sizes
                }
            }
        }
    }

    @Test
    fun aFixedSizeModelCannotBeResized() {
        val model = read(Fixtures.model("made-y-x2-fixed"))
        val error = assertThrows(UserFacingException::class.java) { model.resized(Size(32, 32)) }
        assertEquals("m takes pictures of 64x48 only, not 32x32.", error.message)
    }

    @Test
    fun rejectsOtherModels() {
        val expected = mapOf(
            "two-inputs" to "2 inputs", "classifier" to "[1, 3]", "four-channels" to "4 channels",
            "two-pictures" to "2 pictures", "other-colors" to "gives 1", "not-larger" to "integer factor",
            "channels-first" to "[1, 3, 32, 48] has its channels first", "too-small" to "4x4 only, too small", "too-large" to "60000x60000 only, too large",
        )
        assertEquals(expected.keys.sorted(), Fixtures.wrong.map { it.nameWithoutExtension })
        for (file in Fixtures.wrong) {
            val message = assertThrows(UserFacingException::class.java) { read(file.readBytes()) }.message
            assertTrue(message, expected.getValue(file.nameWithoutExtension) in message)
        }
    }

    @Test
    fun damagedModelsAreTiledOrRejected() {
        val random = Random(3)
        val models = listOf("made-y-x2-fixed", "made-y-x2-four-int8").map { Fixtures.model(it) }
        val source = PixelsInMemory(Fixtures.picture("tiny"))
        for (bytes in models) repeat(2000) {
            val damaged = bytes.clone()
            repeat(4) { damaged[8 + random.nextInt(bytes.size - 8)] = random.nextInt().toByte() }
            try {
                val model = read(damaged)
                if ((model.fixedSize ?: Size(1, 1)).let { it.width * it.height } > 1_000_000) return@repeat // slow
                SrUpscaler(model, { _, _ -> NoEngine(null) }, Backend.Cpu(1)).use { upscaleToPixels(source, source.whole, it) }
            } catch (_: UserFacingException) {
                // A rejection is correct.
            }
        }
    }

    private fun read(bytes: ByteArray) = SrModel.read("m", bytes)
}
