package ecbsr.demo.core

import ecbsr.demo.Fixtures
import org.junit.Assert.assertEquals
import org.junit.Test

class TensorFormatTest {
    @Test
    fun writtenPixelsAreReadBack() {
        val plane = FloatArray(256) { it.toFloat() }
        for (name in listOf("ecbsr-m4c16-x2-int8", "made-rgb-x2-uint8", "made-rgb-x3-float")) {
            val model = SrModel.read(name, Fixtures.model(name))
            val planes = List(model.channels) { plane }
            val buffer = model.input.buffer(256 * model.channels)
            model.input.write(planes, buffer)
            for (read in model.input.read(buffer, model.channels, 256)) {
                for (i in plane.indices) assertEquals("$name $i", plane[i], read[i], 1f)
            }
        }
    }

    @Test
    fun valuesAreInterleaved() {
        val model = SrModel.read("rgb", Fixtures.model("made-rgb-x2-uint8"))
        val buffer = model.input.buffer(6)
        model.input.write(listOf(floatArrayOf(0f, 1f), floatArrayOf(2f, 3f), floatArrayOf(4f, 5f)), buffer)
        assertEquals(listOf(0, 2, 4, 1, 3, 5), List(6) { buffer.get(it).toInt() })
    }

    @Test
    fun pixelsStoredAsSignedBytesAreReadBack() {
        for ((type, zeroPoint) in listOf(TensorFormat.UINT8 to 128, TensorFormat.INT8 to 0)) {
            val format = TensorFormat.of(Tensor(listOf(1, 1, 256, 1), type, false, Quantization(1f, zeroPoint), null, null))
            val buffer = format.buffer(256)
            val plane = FloatArray(256) { it.toFloat() }
            format.write(listOf(plane), buffer)
            assertEquals(plane.toList(), format.read(buffer, 1, 256).single().toList())
        }
    }
}
