package ecbsr.demo.core

import ecbsr.demo.DesktopEngines
import ecbsr.demo.Fixtures
import java.util.Random
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** Reading a `.tflite`, against what the Python side reads in it, and against files that are none. */
class ModelTest {
    @Test
    fun whatIsReadIsWhatPythonReads() {
        val facts = JSONObject(Fixtures.file("models.json").readText())
        for (file in Fixtures.models) {
            val expected = facts.getJSONObject(file.nameWithoutExtension)
            val model = read(file.readBytes())
            val operators = expected.getJSONObject("operators").let { json -> json.keys().asSequence().associateWith(json::getInt) }
            assertEquals(file.name, operators, model.operators)
            assertEquals(file.name, expected.getInt("scale"), model.scale)
            val size = expected.getJSONArray("size")
            assertEquals(file.name, if (size.getInt(0) < 0) null else Size(size.getInt(0), size.getInt(1)), model.storedSize)
        }
    }

    @Test
    fun typesAndColoursAreReadFromTheTensors() {
        fun describe(name: String) = read(Fixtures.model(name)).run { "$colors ${input.typeName} $precision $seamless $halo" }
        assertEquals("1 int8 int8 true 6", describe("ecbsr-m4c16-x2-int8"))
        assertEquals("1 float32 fp32 true 6", describe("ecbsr-m4c16-x4-fp32"))
        assertEquals("3 uint8 uint8 true 1", describe("made-rgb-x2-uint8"))
        assertEquals("3 float32 fp32 true 3", describe("made-rgb-x3-float"))
        assertEquals("1 float32 fp32 false 12", describe("made-y-x2-fixed"))
    }

    @Test
    fun theBundledModelsCarryTheirRecipe() {
        for (file in Fixtures.bundled) {
            val recipe = read(file.readBytes()).recipe
            assertEquals(file.name.removeSuffix("-int8.tflite"), recipe["model.name"])
            assertEquals("int8", recipe["precision"])
            assertTrue("$recipe", recipe.getValue("loss.psnr_drop_db").toDouble() < 1)
        }
    }

    @Test
    fun aStampedFileRunsAtItsSize() {
        for (file in Fixtures.models.filter { !it.name.contains("fixed") }) {
            val model = read(file.readBytes())
            for (size in listOf(Size(1, 1), Size(33, 7), Size(64, 48))) {
                val input = model.input.buffer(size.width * size.height * model.colors)
                val output = model.output.buffer(size.width * size.height * model.colors * model.scale * model.scale)
                DesktopEngines.open(model.stamped(size), Backend.Cpu(1)).use { it.run(input, output) } // checks both sizes
            }
        }
    }

    @Test
    fun aFixedModelSaysThatItHasOneSize() {
        val model = read(Fixtures.model("made-y-x2-fixed"))
        val refused = assertThrows(Refused::class.java) { model.stamped(Size(32, 32)) }
        assertEquals("m takes pictures of 64x48 only, not 32x32.", refused.message)
    }

    @Test
    fun whatIsNoSuperResolutionModelIsRefusedInASentence() {
        val expected = mapOf(
            "two-inputs" to "2 inputs", "classifier" to "[1, 3]", "four-channels" to "4 channels",
            "two-pictures" to "2 pictures", "other-colours" to "gives 1", "not-larger" to "whole factor",
            "too-small" to "4x4 only, too small", "too-large" to "60000x60000 only, too large",
        )
        assertEquals(expected.keys.sorted(), Fixtures.wrong.map { it.nameWithoutExtension })
        for (file in Fixtures.wrong) {
            val message = refusal(file.readBytes())
            assertTrue(message, expected.getValue(file.nameWithoutExtension) in message)
        }
    }

    @Test
    fun aNetworkThatSeesFurtherThanATileIsNotCutAsIfItWereExact() {
        val whole = read(Fixtures.model("made-rgb-x3-float"))
        assertTrue(whole.seamless && whole.halo < 256)
        // Any one of a file's numbers may be anything: what is read must still lead to tiles, or to a sentence.
        val random = Random(3)
        val bytes = Fixtures.model("made-y-x2-fixed")
        val source = PixelsInMemory(Fixtures.picture("tiny"))
        repeat(2000) {
            val damaged = bytes.clone()
            repeat(4) { damaged[8 + random.nextInt(bytes.size - 8)] = random.nextInt().toByte() }
            try {
                val model = read(damaged)
                if ((model.fixedSize ?: Size(1, 1)).let { it.width * it.height } > 1_000_000) return@repeat // takes long
                SrMethod(model, { _, _ -> TakesAll }, Backend.Cpu(1)).use { enlargeToPixels(source, source.whole, it) }
            } catch (_: Refused) {
                // A sentence is what is wanted.
            }
        }
    }

    @Test
    fun otherFilesAreRefusedInASentence() {
        assertEquals("The file is empty.", refusal(ByteArray(0)))
        assertTrue("not a .tflite" in refusal(Fixtures.pictures[0].readBytes()))
        assertTrue("not a .tflite" in refusal(ByteArray(1000)))
    }

    @Test
    fun aFileCutAnywhereIsRefusedOrReadAndNeverCrashes() {
        for (name in listOf("ecbsr-m4c16-x2-int8", "made-rgb-x3-float")) {
            val whole = Fixtures.model(name)
            var refused = 0
            for (length in whole.indices step 7) try {
                read(whole.copyOf(length))
            } catch (_: Refused) {
                refused++
            }
            assertTrue("$refused", refused > whole.size / 7 / 2)
        }
    }

    @Test
    fun damagedBytesNeverCrash() {
        val random = Random(2)
        val whole = Fixtures.model("ecbsr-m4c16-x2-int8")
        repeat(3000) {
            val bytes = whole.clone()
            repeat(1 + random.nextInt(4)) { bytes[8 + random.nextInt(bytes.size - 8)] = random.nextInt().toByte() }
            try {
                read(bytes)
            } catch (_: Refused) {
                // A sentence is what is wanted.
            }
        }
    }

    /** Stands for a runtime that takes everything. */
    private object TakesAll : Engine {
        override val steps: Int? = null

        override fun run(input: java.nio.ByteBuffer, output: java.nio.ByteBuffer) = Unit

        override fun close() = Unit
    }

    private fun read(bytes: ByteArray) = SrModel.read("m", bytes)

    private fun refusal(bytes: ByteArray) = assertThrows(Refused::class.java) { read(bytes) }.message
}
