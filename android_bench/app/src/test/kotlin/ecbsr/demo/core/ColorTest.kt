package ecbsr.demo.core

import ecbsr.demo.Fixtures
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** Compares with the Python side. */
class ColorTest {
    @Test
    fun lumaEqualsPython() {
        for (file in Fixtures.pictures) {
            val bytes = Fixtures.file("luma/${file.nameWithoutExtension}.f32").readBytes()
            val expected = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
            val luma = Color.luma(Fixtures.read(file).argb)
            assertEquals(expected.remaining(), luma.size)
            assertTrue(file.name, luma.indices.all { luma[it] == expected[it] })
        }
    }

    @Test
    fun yCbCrIsInvertible() {
        val picture = Fixtures.picture("coffee")
        val inverted = Color.fromYCbCr(Color.luma(picture.argb), Color.cb(picture.argb), Color.cr(picture.argb))
        assertArrayEquals(picture.argb, inverted)
    }
}
