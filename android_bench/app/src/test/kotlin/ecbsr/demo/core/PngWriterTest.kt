package ecbsr.demo.core

import ecbsr.demo.Fixtures
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import javax.imageio.ImageIO
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class PngWriterTest {
    @Test
    fun writtenPixelsAreReadBack() {
        for (name in listOf("transparent", "one-pixel", "coffee")) {
            val picture = Fixtures.picture(name)
            val bytes = ByteArrayOutputStream()
            val alpha = name == "transparent"
            PngWriter(bytes, picture.width, picture.height, alpha).use { it.writeRows(picture.argb, picture.height) }
            val decoded = ImageIO.read(ByteArrayInputStream(bytes.toByteArray()))
            assertEquals(alpha, decoded.colorModel.hasAlpha())
            assertArrayEquals(name, picture.argb, decoded.getRGB(0, 0, picture.width, picture.height, null, 0, picture.width))
        }
    }

    @Test
    fun anIncompletePngIsUnreadable() {
        val bytes = ByteArrayOutputStream()
        PngWriter(bytes, 4, 4, false).use { it.writeRows(IntArray(16), 3) }
        assertThrows(Exception::class.java) { ImageIO.read(ByteArrayInputStream(bytes.toByteArray())) }
    }
}
