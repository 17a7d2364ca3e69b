package ecbsr.demo.core

import ecbsr.demo.DesktopEngineFactory
import ecbsr.demo.Fixtures
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test

class RangeProbeTest {
    private val probe = RangeProbe(DesktopEngineFactory) { Fixtures.picture("chelsea") }

    @Test
    fun findsWhatPythonFindsAndGivesItsPixels() {
        val expected = JSONObject(Fixtures.file("ranges/ranges.json").readText())
        val picture = PixelsInMemory(Fixtures.picture("chelsea"))
        for (name in expected.keys()) {
            val model = probe.settled(SrModel.read(name, Fixtures.file("ranges/$name.tflite").readBytes()))
            val ranges = expected.getJSONArray(name).let { array -> List(2) { array.getString(it) } }
            val reading = model.reading!!
            assertEquals(name, ranges, listOf(reading.input, reading.output).map { "[${it.text.replace("..", ", ")}]" })
            assertEquals("$name $reading", name != "mixed-rgb", reading.isGood) // that one repeats pixels
            val result = SrUpscaler(model, DesktopEngineFactory).use { upscaleToPixels(picture, picture.whole, it) }
            assertTrue(name, difference(Fixtures.read(Fixtures.file("ranges/$name.png")), result) <= 1)
        }
    }

    @Test
    fun aFileThatStatesItsValuesIsTakenAtItsWord() {
        for (name in listOf("ecbsr-m4c16-x2-fp32", "ecbsr-m4c16-x2-int8", "made-rgb-x2-uint8")) {
            val model = SrModel.read(name, Fixtures.model(name))
            assertSame(model, probe.settled(model))
            assertNull(model.reading)
        }
    }

    @Test
    fun aModelThatTheRuntimeRejectsStaysAsItIs() {
        val model = SrModel.read("m", Fixtures.model("made-y-x2-open"))
        assertSame(model, RangeProbe({ _, _ -> throw UserFacingException("no") }) { Fixtures.picture("chelsea") }.settled(model))
    }
}
