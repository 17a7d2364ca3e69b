package ecbsr.demo.core

import ecbsr.demo.Fixtures
import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** Upscales with the real runtime and compares with `ecbsr-upscale`. */
class SrUpscalerTest {
    @Test
    fun everyModelEqualsEcbsrUpscale() {
        var compared = 0
        for (file in Fixtures.models) for (picture in Fixtures.pictures) {
            val name = "${file.nameWithoutExtension}--${picture.nameWithoutExtension}.png"
            if (!File(Fixtures.file("upscaled"), name).exists()) continue
            val model = SrModel.read(file.nameWithoutExtension, file.readBytes())
            val result = upscaled(model, Fixtures.read(picture))
            val expected = Fixtures.read(Fixtures.file("upscaled/$name"))
            val allowed = if (model.input.type == TensorFormat.FLOAT32) 1 else 0 // float kernels can sum in a different order
            assertTrue(name, difference(expected, result) <= allowed)
            compared++
        }
        assertTrue("$compared", compared >= 30)
    }

    @Test
    fun aFixedSizeModelUpscalesAnyPicture() {
        val model = SrModel.read("fixed", Fixtures.model("made-y-x2-fixed"))
        assertEquals(Size(64, 48), model.fixedSize)
        for (name in listOf("one-pixel", "tiny", "transparent", "chelsea")) {
            val picture = Fixtures.picture(name)
            val result = upscaled(model, picture)
            assertEquals(name, Size(picture.width * 2, picture.height * 2), Size(result.width, result.height))
        }
    }
}
