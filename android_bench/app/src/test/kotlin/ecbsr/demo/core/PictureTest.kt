package ecbsr.demo.core

import ecbsr.demo.Fixtures
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** Colour, bicubic and orientation, against what the Python side makes of the same pictures. */
class PictureTest {
    @Test
    fun lumaIsThatOfPython() {
        for (file in Fixtures.pictures) {
            val bytes = Fixtures.file("luma/${file.nameWithoutExtension}.f32").readBytes()
            val expected = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
            val luma = Color.luma(Fixtures.read(file).argb)
            assertEquals(expected.remaining(), luma.size)
            assertTrue(file.name, luma.indices.all { luma[it] == expected[it] })
        }
    }

    @Test
    fun bicubicIsThatOfPython() {
        for (file in Fixtures.pictures) for (scale in 2..4) {
            val picture = Fixtures.read(file)
            val expected = Fixtures.read(Fixtures.file("bicubic/${file.nameWithoutExtension}-x$scale.png"))
            val larger = enlargeToPixels(PixelsInMemory(picture), PixelsInMemory(picture).whole, BicubicMethod(scale))
            assertEquals("${file.name} x$scale", 0, difference(expected, larger, alpha = false))
        }
    }

    @Test
    fun chromaComesBackToTheColourThatItWasMadeFrom() {
        val picture = Fixtures.picture("coffee")
        val back = Color.rgb(Color.luma(picture.argb), Color.cb(picture.argb), Color.cr(picture.argb))
        assertArrayEquals(picture.argb, back)
    }

    @Test
    fun everyOrientationIsWhatExifSays() {
        // Where the visual top left corner of a stored 3x2 picture lies, from the table of Exif 2.3.
        val stored = Pixels(3, 2, intArrayOf(0, 1, 2, 3, 4, 5))
        val upright = mapOf(
            1 to listOf(0, 1, 2, 3, 4, 5), 2 to listOf(2, 1, 0, 5, 4, 3), 3 to listOf(5, 4, 3, 2, 1, 0),
            4 to listOf(3, 4, 5, 0, 1, 2), 5 to listOf(0, 3, 1, 4, 2, 5), 6 to listOf(3, 0, 4, 1, 5, 2),
            7 to listOf(5, 2, 4, 1, 3, 0), 8 to listOf(2, 5, 1, 4, 0, 3),
        )
        for ((exif, expected) in upright) assertEquals("$exif", expected, Orientation.of(exif).upright(stored).argb.toList())
        assertEquals(Orientation.UPRIGHT, Orientation.of(0))
    }

    @Test
    fun aRegionOfAnUprightPictureIsReadFromWhereItIsStored() {
        val stored = Fixtures.picture("tiny").let { Pixels(it.width, it.height, IntArray(it.argb.size) { i -> i }) }
        for (orientation in Orientation.entries) {
            val whole = orientation.upright(stored)
            val region = Region(1, 1, whole.width - 1, whole.height)
            val there = orientation.stored(region, stored.width, stored.height)
            val part = orientation.upright(stored.crop(there))
            assertArrayEquals("$orientation", whole.crop(region).argb, part.argb)
        }
    }
}

/** The largest difference of a channel over two pictures of one size. */
fun difference(a: Pixels, b: Pixels, alpha: Boolean = true): Int {
    assertEquals("${a.width}x${a.height}", "${b.width}x${b.height}")
    val shifts = if (alpha) listOf(0, 8, 16, 24) else listOf(0, 8, 16)
    return a.argb.indices.maxOf { i -> shifts.maxOf { abs((a.argb[i] ushr it and 255) - (b.argb[i] ushr it and 255)) } }
}
