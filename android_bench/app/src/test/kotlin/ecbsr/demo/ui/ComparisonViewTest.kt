package ecbsr.demo.ui

import android.graphics.Bitmap
import android.graphics.Canvas
import android.view.MotionEvent
import android.view.accessibility.AccessibilityNodeInfo
import ecbsr.demo.Fixtures
import ecbsr.demo.PictureScreen
import ecbsr.demo.core.Pixels
import ecbsr.demo.io.toPixels
import kotlin.math.abs
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class ComparisonViewTest : PictureScreen() {
    @Test
    fun theDividerFollowsTheFinger() {
        val activity = start()
        val view = activity.view()
        val middle = view.height / 2f
        view.touch(MotionEvent.ACTION_DOWN, view.width / 2f to middle)
        view.touch(MotionEvent.ACTION_MOVE, view.width * 0.4f to middle)
        view.touch(MotionEvent.ACTION_MOVE, view.width * 0.25f to middle)
        view.touch(MotionEvent.ACTION_UP, view.width * 0.25f to middle)
        assertEquals(0.25f, view.divider, 0.01f)
        view.touch(MotionEvent.ACTION_DOWN, view.width * 0.9f to middle)
        view.touch(MotionEvent.ACTION_MOVE, view.width * 0.5f to middle)
        view.touch(MotionEvent.ACTION_UP, view.width * 0.5f to middle)
        assertEquals("a touch away from the divider moves the picture", 0.25f, view.divider, 0.01f)
        activity.screenshot("divider")
    }

    @Test
    fun theDividerAtTheEdgeIsNotTakenForTheBackGesture() {
        val view = start().view()
        for (divider in listOf(0f, 1f)) {
            view.divider = divider
            val excluded = view.systemGestureExclusionRects.single()
            assertTrue("$excluded", excluded.contains((divider * (view.width - 1)).toInt(), view.height / 2))
            assertTrue("$excluded", excluded.height() <= 200 * view.resources.displayMetrics.density)
        }
    }

    @Test
    fun pinchingZoomsToSinglePixelsOnBothSides() {
        val activity = start()
        val view = activity.view()
        val before = view.zoom
        pinch(view, 0.32f, 0.42f) // the edge of an eye
        assertTrue("${view.zoom}", view.zoom > before * 1.5f)
        repeat(12) { pinch(view, 0.32f, 0.42f) }
        view.divider = 0.5f
        val side = view.zoom / viewModel.comparison!!.scale // screen pixels of one result pixel
        assertTrue("$side", side >= 24)
        activity.screenshot("pixels")
        // Also near both edges, because the pixel is a square.
        view.compareWithTheResult(0.1f, 0.5f, 0.9f) { place, expected, shown -> assertEquals(place, expected, shown) }
    }

    @Test
    fun onlyTheBackgroundIsVisibleThroughATransparentPicture() {
        val activity = start()
        viewModel.openPicture(document(Fixtures.file("pictures/transparent.png").readBytes(), "transparent.png"))
        settle()
        val view = activity.view()
        view.zoomTo(48f) // without interpolation
        settle()
        view.compareWithTheResult(0.5f) { place, expected, shown ->
            assertEquals(place, (expected ushr 24).toDouble(), (shown ushr 24).toDouble(), 1.0)
        }
        activity.screenshot("transparent")
    }

    @Test
    fun accessibilityActionsMoveTheDivider() {
        val view = start().view()
        view.performAccessibilityAction(AccessibilityNodeInfo.ACTION_SCROLL_FORWARD, null)
        assertEquals(0.6f, view.divider, 0.001f)
        assertEquals("Divider at 60 %", view.stateDescription)
    }

    /**
     * Compares the screen with the pixels of the result: bicubic left of the divider, super-resolution right of it.
     *
     * @param offsets the places to compare in each pixel, in both directions, from 0 to 1.
     */
    private fun ComparisonView.compareWithTheResult(vararg offsets: Float, compare: (place: String, expected: Int, shown: Int) -> Unit) {
        val shown = drawn()
        val comparison = viewModel.comparison!!
        val viewport = viewport()
        var compared = 0
        for (y in (viewport.top * 2 + 2) until viewport.bottom * 2 - 2) for (x in (viewport.left * 2 + 2) until viewport.right * 2 - 2) {
            for (offset in offsets) {
                val (screenX, screenY) = toScreen((x + offset) / 2, (y + offset) / 2)
                if (screenX !in 0 until width || screenY !in 150 until height) continue // below the labels
                if (abs(screenX - width / 2) < 40) continue // under the divider
                val bitmap = if (screenX < width / 2) comparison.bicubic else comparison.superResolution
                compare("$x $y", bitmap.getPixel(x, y), shown.argb[screenY * shown.width + screenX])
                compared++
            }
        }
        assertTrue("$compared", compared > 50)
    }

    private fun ComparisonView.drawn(): Pixels {
        val bitmap = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888)
        draw(Canvas(bitmap))
        return bitmap.toPixels()
    }

    /** The screen position of a picture position. */
    private fun ComparisonView.toScreen(x: Float, y: Float): Pair<Int, Int> {
        val (centerX, centerY) = center()
        return (width / 2f + (x - centerX) * zoom).toInt() to (height / 2f + (y - centerY) * zoom).toInt()
    }
}
