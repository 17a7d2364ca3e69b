package ecbsr.demo.core

import ecbsr.demo.Fixtures
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** Compares with the Python side. */
class BicubicTest {
    @Test
    fun bicubicEqualsPython() {
        for (file in Fixtures.pictures) for (scale in 2..4) {
            val picture = Fixtures.read(file)
            val expected = Fixtures.read(Fixtures.file("bicubic/${file.nameWithoutExtension}-x$scale.png"))
            val upscaled = upscaleToPixels(PixelsInMemory(picture), PixelsInMemory(picture).whole, BicubicUpscaler(scale))
            assertEquals("${file.name} x$scale", 0, difference(expected, upscaled, alpha = false))
        }
    }

    @Test
    fun roundingStaysCloseToTheExactResult() {
        val picture = Fixtures.picture("tiny")
        val plane = Color.luma(picture.argb).map { Color.round(it).toFloat() }.toFloatArray()
        for (scale in 2..4) {
            val exact = Bicubic(scale).upscale(plane, picture.width, picture.height)
            val rounded = Bicubic(scale).upscaleRounded(plane, picture.width, picture.height)
            assertTrue(rounded.all { it == it.toInt().toFloat() && it in 0f..255f })
            for (i in exact.indices) assertEquals("x$scale $i", exact[i].coerceIn(0f, 255f), rounded[i], 1.5f)
        }
    }
}
