package ecbsr.demo.core.video

import ecbsr.demo.core.Bicubic
import ecbsr.demo.core.Color
import ecbsr.demo.core.Pixels
import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException
import ecbsr.demo.core.Viewport
import kotlin.math.abs
import kotlin.math.floor
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** Compiles and runs the shaders, and compares each pixel with [Oracle], which computes in double precision. */
class VideoRendererTest {
    private val window = Size(200, 160)

    @Test
    fun everyPixelIsThatOfTheOracle() {
        SoftwareGl.open(window).use { gl ->
            val renderer = VideoRenderer(gl)
            var number = 0L
            for (size in listOf(Size(48, 30), Size(33, 21))) for (scale in listOf(2, 4)) for (color in COLORS) {
                val shown = shown(size, scale, color, ++number)
                for (zoom in listOf(0f, 11.3f)) for (divider in listOf(-1f, 87.3f, 500f)) check(gl, renderer, shown, zoom, divider)
            }
        }
    }

    @Test
    fun rotatedPicturesAreUpright() {
        SoftwareGl.open(window).use { gl ->
            val renderer = VideoRenderer(gl)
            for ((i, rotation) in listOf(0, 90, 180, 270).withIndex()) {
                val shown = shown(Size(24, 14), 2, LIMITED, i + 1L)
                shown.frame!!.rotation = rotation
                for (zoom in listOf(0f, 13f)) check(gl, renderer, shown, zoom, 90f)
            }
        }
    }

    /** Without the model, the right side is bilinear. */
    @Test
    fun aPictureWithoutModelIsBilinear() {
        SoftwareGl.open(window).use { gl ->
            val shown = shown(Size(24, 14), 2, LIMITED, 1).apply { withoutModel(2) }
            check(gl, VideoRenderer(gl), shown, 0f, 90f)
        }
    }

    @Test
    fun aNewPictureReplacesTheOldOne() {
        SoftwareGl.open(window).use { gl ->
            val renderer = VideoRenderer(gl)
            check(gl, renderer, shown(Size(24, 14), 2, LIMITED, 1, seed = 1), 0f, 90f)
            check(gl, renderer, shown(Size(24, 14), 2, LIMITED, 2, seed = 2), 0f, 90f)
            check(gl, renderer, shown(Size(20, 10), 4, LIMITED, 3, seed = 3), 0f, 90f)
            check(gl, renderer, shown(Size(20, 10), 4, LIMITED, 3, seed = 4), 0f, 90f) // of another session
        }
    }

    @Test
    fun aResultLargerThanATextureIsRefused() {
        SoftwareGl.open(window).use { gl ->
            val renderer = VideoRenderer(gl)
            val wide = shown(Size(gl.maxTextureSide / 2 + 2, 2), 2, LIMITED, 1)
            val error = assertThrows(UserFacingException::class.java) { check(gl, renderer, wide, 0f, 90f) }
            assertTrue(error.message, "${gl.maxTextureSide + 4}x4" in error.message)
            check(gl, renderer, shown(Size(24, 14), 2, LIMITED, 2), 0f, 90f)
        }
    }

    @Test
    fun errorsOfTheCompilerAreReported() {
        SoftwareGl.open(window).use { gl ->
            assertTrue(gl.renderer, gl.renderer.isNotEmpty())
            val error = assertThrows(UserFacingException::class.java) { gl.createProgram("#version 300 es\nvoid main() { nothing(); }", "") }
            assertTrue(error.message, "nothing" in error.message)
        }
    }

    /** The matrices turn limited and full range into the colors of `Color`, which has the formula of MATLAB. */
    @Test
    fun bt601IsThatOfThePictures() {
        val pixels = Pixels.build(16, 16) { x, y -> (255 shl 24) or (x * 17 shl 16) or (y * 17 shl 8) or ((x * y) and 255) }
        val planes = listOf(Color.luma(pixels.argb), Color.cb(pixels.argb), Color.cr(pixels.argb))
        val matrix = LIMITED.toRgb
        for (i in pixels.argb.indices) for (channel in 0..2) {
            val values = planes.mapIndexed { plane, it -> it[i] / 255 - if (plane == 0) LIMITED.lumaOffset else VideoColor.CHROMA_OFFSET }
            val result = (0..2).sumOf { (matrix[3 * channel + it] * values[it]).toDouble() } * 255
            assertEquals((pixels.argb[i] ushr (16 - 8 * channel) and 255).toDouble(), result, 0.1)
        }
    }

    private fun check(gl: SoftwareGl, renderer: VideoRenderer, shown: ShownFrame, zoom: Float, divider: Float) {
        val frame = shown.frame!!
        val isTurned = frame.rotation % 180 == 90
        val viewport = Viewport(maxZoom = 50f)
        viewport.setView(window.width, window.height)
        viewport.setPicture(if (isTurned) frame.size.height else frame.size.width, if (isTurned) frame.size.width else frame.size.height)
        viewport.fit()
        if (zoom > 0) viewport.zoomTo(zoom, 31f, 77f)
        renderer.draw(shown, viewport, window, divider, NEAREST_FROM, floatArrayOf(0.2f, 0.4f, 0.6f))
        val oracle = Oracle(shown, viewport, window, divider)
        val actual = gl.pixels()
        val outliers = actual.indices.count { i ->
            // Where a pixel's center lies on the border of two pixels or of the picture, both answers are right.
            SHIFTS.none { (dx, dy) -> difference(oracle.pixel(i % window.width + dx, i / window.width + dy), actual[i]) <= 3 }
        }
        assertEquals("${frame.size} x${shown.scale} ${frame.color} zoom $zoom divider $divider", 0, outliers)
    }

    private fun difference(a: Int, b: Int) = (0..16 step 8).maxOf { abs((a ushr it and 255) - (b ushr it and 255)) }

    private fun shown(size: Size, scale: Int, color: VideoColor, number: Long, seed: Long = number) = ShownFrame().apply {
        frame = noise(size, color, seed)
        val upscaled = noise(size * scale, color, seed + 1000)
        reserve(size, scale).apply { clear() }.put(upscaled.y.duplicate()).flip()
        this.number = number
    }

    private class Oracle(private val shown: ShownFrame, private val viewport: Viewport, private val window: Size, private val divider: Float) {
        private val frame = shown.frame!!
        private val size = frame.size
        private val large = Size(size.width * shown.scale, size.height * shown.scale)
        private val isSmooth = viewport.zoom / shown.scale < NEAREST_FROM
        private val luma = values(frame.y)
        private val left = Bicubic(shown.scale).upscale(FloatArray(luma.size) { luma[it].toFloat() }, size.width, size.height)
            .map { Color.round(it).toDouble() }.toDoubleArray()
        private val right = shown.upscaled?.let(::values)
        private val cb = values(frame.u)
        private val cr = values(frame.v)

        fun pixel(column: Double, row: Double): Int {
            val uprightX = viewport.centerX + (column + 0.5 - window.width / 2.0) / viewport.zoom
            val uprightY = viewport.centerY + (row + 0.5 - window.height / 2.0) / viewport.zoom
            val (x, y) = when (frame.rotation) {
                90 -> uprightY to size.height - uprightX
                180 -> size.width - uprightX to size.height - uprightY
                270 -> size.width - uprightY to uprightX
                else -> uprightX to uprightY
            }
            if (x < 0 || y < 0 || x >= size.width || y >= size.height) return 0x336699
            val value = when {
                column + 0.5 < divider -> sample(left, large, x * shown.scale, y * shown.scale, isSmooth)
                right != null -> sample(right, large, x * shown.scale, y * shown.scale, isSmooth)
                else -> sample(luma, size, x, y, true)
            }
            val chromaX = x / 2 + if (frame.color.chromaIsLeft) 0.25 else 0.0
            val blue = sample(cb, frame.chromaSize, chromaX, y / 2, true) - 128
            val red = sample(cr, frame.chromaSize, chromaX, y / 2, true) - 128
            return rgb(value, blue, red)
        }

        /** ITU-R BT.601-7 and BT.709-6, in the usual decimal form. */
        private fun rgb(y: Double, cb: Double, cr: Double): Int {
            val luma = if (frame.color.isFullRange) y else (y - 16) * 255 / 219
            val gain = if (frame.color.isFullRange) 1.0 else 255.0 / 224
            val (redCr, greenCb, greenCr, blueCb) =
                if (frame.color.isBt709) listOf(1.5748, 0.1873, 0.4681, 1.8556) else listOf(1.402, 0.344136, 0.714136, 1.772)
            val channels = listOf(luma + gain * redCr * cr, luma - gain * (greenCb * cb + greenCr * cr), luma + gain * blueCb * cb)
            return channels.fold(0) { sum, channel -> sum * 256 + Math.round(channel.coerceIn(0.0, 255.0)).toInt() }
        }

        /** The value at a position where the center of the first pixel is 0.5. */
        private fun sample(plane: DoubleArray, size: Size, x: Double, y: Double, isSmooth: Boolean): Double {
            fun at(column: Int, row: Int) = plane[row.coerceIn(0, size.height - 1) * size.width + column.coerceIn(0, size.width - 1)]
            if (!isSmooth) return at(floor(x).toInt(), floor(y).toInt())
            val column = floor(x - 0.5).toInt()
            val row = floor(y - 0.5).toInt()
            val across = x - 0.5 - column
            val down = y - 0.5 - row
            return (at(column, row) * (1 - across) + at(column + 1, row) * across) * (1 - down) +
                (at(column, row + 1) * (1 - across) + at(column + 1, row + 1) * across) * down
        }

        private fun values(plane: java.nio.ByteBuffer) = plane.content().let { bytes -> DoubleArray(bytes.size) { (bytes[it].toInt() and 255).toDouble() } }
    }

    private companion object {
        const val NEAREST_FROM = 3f
        val SHIFTS = listOf(0.0, 1e-3, -1e-3).let { shifts -> shifts.flatMap { dx -> shifts.map { dy -> dx to dy } } }
        val COLORS = listOf(
            LIMITED, LIMITED.copy(isFullRange = true), LIMITED.copy(isBt709 = true), LIMITED.copy(chromaIsLeft = false),
        )
    }
}
