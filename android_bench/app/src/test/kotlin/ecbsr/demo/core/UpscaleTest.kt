package ecbsr.demo.core

import ecbsr.demo.DesktopEngineFactory
import ecbsr.demo.Fixtures
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** Compares tiles with the whole picture. */
class UpscaleTest {
    @Test
    fun tilesEqualTheWholePicture() {
        val picture = Fixtures.picture("wide") // several tiles in both directions
        for (file in Fixtures.models) {
            val model = SrModel.read(file.nameWithoutExtension, file.readBytes())
            if (!model.seamless) continue
            val whole = SrUpscaler(model, DesktopEngineFactory, Backend.Cpu(1)).use { it.upscale(picture) }
            assertArrayEquals(file.name, whole, upscaled(model, picture).argb)
        }
    }

    @Test
    fun aRegionEqualsThatPartOfTheWholePicture() {
        val model = SrModel.read("x4", Fixtures.model("made-y-x4-int8"))
        val source = PixelsInMemory(Fixtures.picture("wide"))
        val whole = upscaled(model, Fixtures.picture("wide"))
        for (region in listOf(Region(100, 37, 493, 350), Region(0, 0, 5, 5), Region(760, 520, 768, 528), Region(255, 1, 513, 2))) {
            val part = SrUpscaler(model, DesktopEngineFactory, Backend.Cpu(1)).use { upscaleToPixels(source, region, it) }
            val upscaledRegion = Region(region.left * 4, region.top * 4, region.right * 4, region.bottom * 4)
            assertArrayEquals("$region", whole.crop(upscaledRegion).argb, part.argb)
        }
    }

    @Test
    fun reportsProgressAndCanBeCanceled() {
        val progress = mutableListOf<Double>()
        lateinit var job: Job
        job = Job { done, total ->
            progress += done.toDouble() / total
            if (progress.size == 3) job.cancel()
        }
        val source = PixelsInMemory(Fixtures.picture("wide"))
        assertThrows(CanceledException::class.java) { upscaleToPixels(source, source.whole, BicubicUpscaler(2), job) }
        assertEquals(progress.sorted(), progress)
        assertEquals(3, progress.size)
    }

    @Test
    fun readsAFiftyMegapixelPictureInStrips() {
        var maxPixels = 0
        val source = object : PixelSource {
            override val width = 8160
            override val height = 6120

            override fun read(region: Region): Pixels {
                maxPixels = maxOf(maxPixels, region.width * region.height)
                return Pixels.build(region.width, region.height) { x, y -> (region.left + x) xor (region.top + y) }
            }
        }
        val nearest = object : Upscaler {
            override val scale = 4
            override val halo = 6
            override val fixedSize: Size? = null

            override fun upscale(tile: Pixels) = IntArray(tile.argb.size * 16) {
                val width = tile.width * 4
                tile.argb[it / width / 4 * tile.width + it % width / 4]
            }
        }
        var rows = 0
        val region = Region(0, 3000, 8160, 3240)
        upscale(source, region, nearest, Job()) { argb, count ->
            for (y in 0 until count step 97) for (x in 0 until 8160 * 4 step 1013) {
                assertEquals((x / 4) xor (3000 + (rows + y) / 4), argb[y * 8160 * 4 + x])
            }
            rows += count
        }
        assertEquals(240 * 4, rows)
        assertTrue("$maxPixels", maxPixels <= 8160 * 80)
    }
}
