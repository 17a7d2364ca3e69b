package ecbsr.demo.core

import ecbsr.demo.DesktopEngines
import ecbsr.demo.Fixtures
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.util.Random
import javax.imageio.ImageIO
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** Upscaling on the real runtime, against `ecbsr-upscale` with the same file and picture. */
class UpscaleTest {
    @Test
    fun everyModelGivesWhatEcbsrUpscaleGives() {
        var compared = 0
        for (file in Fixtures.models) for (picture in Fixtures.pictures) {
            val name = "${file.nameWithoutExtension}--${picture.nameWithoutExtension}.png"
            if (!java.io.File(Fixtures.file("upscaled"), name).exists()) continue
            val model = SrModel.read(file.nameWithoutExtension, file.readBytes())
            val larger = upscale(model, Fixtures.read(picture))
            val expected = Fixtures.read(Fixtures.file("upscaled/$name"))
            val allowed = if (model.input.type == Values.FLOAT32) 1 else 0 // float kernels may sum in another order
            assertTrue(name, difference(expected, larger) <= allowed)
            compared++
        }
        assertTrue("$compared", compared >= 30)
    }

    @Test
    fun tilesGiveWhatOneRunOverTheWholeGives() {
        val picture = Fixtures.picture("wide") // several tiles each way
        for (file in Fixtures.models) {
            val model = SrModel.read(file.nameWithoutExtension, file.readBytes())
            if (!model.seamless) continue
            val atOnce = SrMethod(model, DesktopEngines, Backend.Cpu(1)).use { it.enlarge(picture) }
            assertArrayEquals(file.name, atOnce, upscale(model, picture).argb)
        }
    }

    @Test
    fun aPartIsThatOfTheWhole() {
        val model = SrModel.read("x4", Fixtures.model("made-y-x4-int8"))
        val source = PixelsInMemory(Fixtures.picture("wide"))
        val whole = upscale(model, Fixtures.picture("wide"))
        for (region in listOf(Region(100, 37, 493, 350), Region(0, 0, 5, 5), Region(760, 520, 768, 528), Region(255, 1, 513, 2))) {
            val part = SrMethod(model, DesktopEngines, Backend.Cpu(1)).use { enlargeToPixels(source, region, it) }
            val there = Region(region.left * 4, region.top * 4, region.right * 4, region.bottom * 4)
            assertArrayEquals("$region", whole.crop(there).argb, part.argb)
        }
    }

    @Test
    fun aModelOfOneSizeTakesPicturesOfAnySize() {
        val model = SrModel.read("fixed", Fixtures.model("made-y-x2-fixed"))
        assertEquals(Size(64, 48), model.fixedSize)
        for (name in listOf("one-pixel", "tiny", "transparent", "chelsea")) {
            val picture = Fixtures.picture(name)
            val larger = upscale(model, picture)
            assertEquals(name, Size(picture.width * 2, picture.height * 2), Size(larger.width, larger.height))
        }
    }

    @Test
    fun spansCoverEveryPixelOnceAndSeeTheirHalo() {
        val random = Random(1)
        repeat(2000) {
            val length = 1 + random.nextInt(400)
            val halo = random.nextInt(12)
            val tile = 2 * halo + 1 + random.nextInt(100)
            val from = random.nextInt(length)
            val until = from + 1 + random.nextInt(length - from)
            val spans = spans(length, from, until, tile, halo)
            assertEquals(from, spans.first().validFrom)
            assertEquals(until, spans.last().validUntil)
            for ((a, b) in spans.zipWithNext()) assertEquals(a.validUntil, b.validFrom)
            for (span in spans) {
                assertEquals(minOf(tile, length), span.length)
                assertTrue("$span", span.from >= 0 && span.until <= length && span.validFrom < span.validUntil)
                assertTrue("$span", span.from == 0 || span.from <= span.validFrom - halo)
                assertTrue("$span", span.until == length || span.until >= span.validUntil + halo)
            }
        }
    }

    @Test
    fun aPngIsWhatWasWritten() {
        for (name in listOf("transparent", "one-pixel", "coffee")) {
            val picture = Fixtures.picture(name)
            val bytes = ByteArrayOutputStream()
            val alpha = name == "transparent"
            PngWriter(bytes, picture.width, picture.height, alpha).use { it.rows(picture.argb, picture.height) }
            val back = ImageIO.read(ByteArrayInputStream(bytes.toByteArray()))
            assertEquals(alpha, back.colorModel.hasAlpha())
            assertArrayEquals(name, picture.argb, back.getRGB(0, 0, picture.width, picture.height, null, 0, picture.width))
        }
    }

    @Test
    fun aPngThatWasCutShortIsNoPicture() {
        val bytes = ByteArrayOutputStream()
        PngWriter(bytes, 4, 4, false).use { it.rows(IntArray(16), 3) }
        assertThrows(Exception::class.java) { ImageIO.read(ByteArrayInputStream(bytes.toByteArray())) }
    }

    @Test
    fun progressGoesUpAndCancelStops() {
        val steps = mutableListOf<Double>()
        lateinit var job: Job
        job = Job { done, total ->
            steps += done.toDouble() / total
            if (steps.size == 3) job.cancel()
        }
        val source = PixelsInMemory(Fixtures.picture("wide"))
        assertThrows(Cancelled::class.java) { enlargeToPixels(source, source.whole, BicubicMethod(2), job) }
        assertEquals(steps.sorted(), steps)
        assertEquals(3, steps.size)
    }

    @Test
    fun aPictureOfFiftyMegapixelsIsUpscaledInStrips() {
        // Each strip is made when it is asked for: what is held at once is what the driver holds.
        var most = 0
        val source = object : PixelSource {
            override val width = 8160
            override val height = 6120
            override val hasAlpha = false

            override fun read(region: Region): Pixels {
                most = maxOf(most, region.width * region.height)
                return Pixels(region.width, region.height, IntArray(region.width * region.height) {
                    (region.left + it % region.width) xor (region.top + it / region.width)
                })
            }
        }
        val nearest = object : TileMethod {
            override val scale = 4
            override val halo = 6
            override val fixedSize: Size? = null

            override fun enlarge(tile: Pixels) = IntArray(tile.argb.size * 16) {
                val width = tile.width * 4
                tile.argb[it / width / 4 * tile.width + it % width / 4]
            }
        }
        var rows = 0
        val region = Region(0, 3000, 8160, 3240)
        enlarge(source, region, nearest, Job()) { argb, count ->
            for (y in 0 until count step 97) for (x in 0 until 8160 * 4 step 1013) {
                assertEquals((x / 4) xor (3000 + (rows + y) / 4), argb[y * 8160 * 4 + x])
            }
            rows += count
        }
        assertEquals(240 * 4, rows)
        assertTrue("$most", most <= 8160 * 80)
    }

    private fun upscale(model: SrModel, picture: Pixels): Pixels {
        val source = PixelsInMemory(picture)
        return SrMethod(model, DesktopEngines, Backend.Cpu(1)).use { enlargeToPixels(source, source.whole, it) }
    }
}
