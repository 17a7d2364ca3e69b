package ecbsr.demo.io

import android.graphics.Bitmap
import ecbsr.demo.Fixtures
import ecbsr.demo.PictureScreen
import ecbsr.demo.R
import ecbsr.demo.core.Orientation
import ecbsr.demo.core.Pixels
import java.awt.image.BufferedImage
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import javax.imageio.ImageIO
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Test

class PictureFileTest : PictureScreen() {
    @Test
    fun truncatedPicturesCauseNoUnexpectedError() {
        start()
        val whole = Fixtures.file("pictures/chelsea.png").readBytes()
        for (tenths in 1..9) {
            viewModel.openPicture(document(whole.copyOf(whole.size * tenths / 10), "cut.png"))
            settle()
            val error = viewModel.error.orEmpty()
            assertFalse("$tenths: $error", error.startsWith("An unexpected error"))
        }
    }

    @Test
    fun exifTurnsAPhotoUpright() {
        val picture = Fixtures.picture("chelsea")
        val plain = jpeg(picture)
        start()
        viewModel.openPicture(document(plain, "plain.jpg"))
        settle()
        val upright = viewModel.picture!!.run { read(whole) }
        for (exif in 1..8) {
            viewModel.openPicture(document(withOrientation(plain, exif), "turned.jpg"))
            settle()
            val opened = viewModel.picture!!
            val expected = Orientation.of(exif).upright(upright)
            assertEquals("$exif", "${expected.width}x${expected.height}", "${opened.width}x${opened.height}")
            assertArrayEquals("$exif", expected.argb, opened.read(opened.whole).argb)
            assertEquals("$exif", expected.width > expected.height, opened.overview.width > opened.overview.height)
        }
    }

    @Test
    fun aFormatWithoutRegionDecodingIsDecodedAsAWhole() {
        val activity = start()
        val image = ImageIO.read(Fixtures.file("pictures/coffee.png"))
        val gif = ByteArrayOutputStream().also { ImageIO.write(image, "gif", it) }.toByteArray()
        viewModel.openPicture(document(gif, "coffee.gif"))
        settle()
        assertNull(viewModel.error)
        val shown = viewModel.comparison!!
        assertEquals("${image.width * 2}x${image.height * 2}", "${shown.superResolution.width}x${shown.superResolution.height}")
        val decoded = ImageIO.read(ByteArrayInputStream(gif))
        val expected = decoded.getRGB(0, 0, image.width, image.height, null, 0, image.width)
        assertArrayEquals(expected, viewModel.picture!!.run { read(whole) }.argb)
        val wide = ByteArrayOutputStream().also { ImageIO.write(BufferedImage(6000, 5000, BufferedImage.TYPE_BYTE_GRAY), "gif", it) }
        viewModel.openPicture(document(wide.toByteArray(), "wide.gif"))
        settle()
        assertEquals("6000x5000 is too large for this format: use JPEG, PNG or WebP.", activity.text(R.id.error))
    }

    private fun jpeg(pixels: Pixels): ByteArray =
        ByteArrayOutputStream().also { pixels.toBitmap().compress(Bitmap.CompressFormat.JPEG, 90, it) }.toByteArray()

    /** Adds an EXIF segment with the orientation to a JPEG. */
    private fun withOrientation(jpeg: ByteArray, value: Int): ByteArray {
        val tiff = byteArrayOf(0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, value.toByte(), 0, 0, 0, 0, 0, 0)
        val exif = "Exif".toByteArray() + byteArrayOf(0, 0) + tiff
        return jpeg.copyOf(2) + byteArrayOf(0xff.toByte(), 0xe1.toByte(), 0, (exif.size + 2).toByte()) + exif + jpeg.copyOfRange(2, jpeg.size)
    }
}
