package ecbsr.demo.ui

import android.app.Activity
import android.content.Intent
import android.graphics.Rect
import android.net.Uri
import android.os.Bundle
import android.os.Looper
import android.view.View
import ecbsr.demo.Fixtures
import ecbsr.demo.GatedEngineFactory
import ecbsr.demo.PictureScreen
import ecbsr.demo.R
import ecbsr.demo.core.difference
import ecbsr.demo.io.toPixels
import java.util.concurrent.Semaphore
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf

class PictureActivityTest : PictureScreen() {
    @Test
    fun firstStartComparesTheSample() {
        val activity = start()
        assertEquals("chelsea.png", activity.text(R.id.name))
        assertEquals("384 × 264 → 768 × 528", activity.text(R.id.sizes))
        assertEquals("Model: ecbsr-m4c16-x2-int8", activity.text(R.id.model))
        val expected = Fixtures.read(Fixtures.file("upscaled/ecbsr-m4c16-x2-int8--chelsea.png"))
        assertEquals(0, difference(expected, viewModel.comparison!!.superResolution.toPixels()))
        assertEquals(0, difference(Fixtures.read(Fixtures.file("bicubic/chelsea-x2.png")), viewModel.comparison!!.bicubic.toPixels()))
        activity.screenshot("picture")
    }

    @Test
    fun opensASharedPicture() {
        val uri = document(Fixtures.file("pictures/text.png").readBytes(), "text.png")
        val send = Intent(Intent.ACTION_SEND).setClass(app, PictureActivity::class.java).setType("image/png").putExtra(Intent.EXTRA_STREAM, uri)
        val activity = start(send)
        assertEquals("text.png", activity.text(R.id.name))
        assertEquals(444, viewModel.picture!!.width)
        assertNull(viewModel.error)
    }

    @Test
    fun showsAnErrorForAShareWithoutPicture() {
        val activity = start(Intent(Intent.ACTION_SEND).setClass(app, PictureActivity::class.java).setType("image/png"))
        assertEquals("The other app shared no picture.", activity.text(R.id.error))
        activity.screenshot("nothing-shared")
    }

    @Test
    fun anIntentWithSomethingElseThanAPictureIsNoCrash() {
        for (extra in listOf(Bundle().apply { putString(Intent.EXTRA_STREAM, "x") }, Bundle().apply { putParcelable(Intent.EXTRA_STREAM, Rect()) })) {
            val activity = start(Intent(Intent.ACTION_SEND).setClass(app, PictureActivity::class.java).setType("image/png").putExtras(extra))
            assertEquals("The other app shared no picture.", activity.text(R.id.error))
        }
    }

    @Test
    fun anUnreadablePictureKeepsThePreviousOne() {
        val activity = start()
        val whole = Fixtures.file("pictures/chelsea.png").readBytes()
        for ((bytes, message) in listOf(
            ByteArray(0) to "The picture is empty.",
            ByteArray(5000) { (it * 7).toByte() } to "The file is not a picture that this phone can read.",
            Fixtures.model("ecbsr-m4c16-x2-int8") to "The file is not a picture that this phone can read.",
            whole.copyOf(20) to "The file is not a picture that this phone can read.",
        )) {
            viewModel.openPicture(document(bytes, "bad"))
            settle()
            assertEquals(message, activity.text(R.id.error))
        }
        viewModel.openPicture(Uri.parse("content://nobody/there"))
        settle()
        assertTrue(activity.text(R.id.error), activity.text(R.id.error).startsWith("The "))
        activity.screenshot("bad-picture")
        assertEquals("chelsea.png", activity.text(R.id.name))
        assertEquals(0, difference(Fixtures.picture("chelsea"), viewModel.picture!!.let { it.read(it.whole) }))
    }

    @Test
    fun theVisibleScreenGetsItsRegion() {
        val first = launch()
        settle()
        first.pause().stop()
        val large = document(photo(4000, 3000), "photo.jpg")
        val second = start(Intent(Intent.ACTION_SEND).setClass(app, PictureActivity::class.java).putExtra(Intent.EXTRA_STREAM, large))
        repeat(4) { pinch(second.view()) }
        settle()
        val region = viewModel.comparison!!.region
        val visible = second.view().viewport()
        assertTrue("$region $visible", visible in region)
    }

    @Test
    fun aFiftyMegapixelPhotoIsUpscaledInRegionsAndSavingIsCancelable() {
        val engines = GatedEngineFactory()
        app.engines = engines
        val activity = start()
        viewModel.openPicture(document(photo(8160, 6120), "photo.jpg"))
        settle()
        assertEquals("8160 × 6120 → 16320 × 12240", activity.text(R.id.sizes))
        assertNull(viewModel.error)
        assertEquals("Zoom in to compare", activity.text(R.id.zoom_hint))
        assertEquals(View.VISIBLE, activity.findViewById<View>(R.id.zoom_hint).visibility)
        activity.screenshot("photo")
        val view = activity.view()
        repeat(5) { pinch(view) }
        settle()
        val comparison = viewModel.comparison!!
        assertTrue("${comparison.region}", comparison.region.width < 2048)
        assertEquals(View.GONE, activity.findViewById<View>(R.id.zoom_hint).visibility)
        activity.screenshot("photo-near")

        val (uri, output) = writableDocument("photo-x2.png")
        engines.gate = Semaphore(2)
        viewModel.savePicture(uri) {}
        waitUntil { viewModel.task!!.progress > 0f }
        activity.screenshotNow("saving")
        activity.findViewById<View>(R.id.cancel).performClick()
        assertNull(viewModel.task)
        engines.open()
        viewModel.selectModel("ecbsr-m4c16-x2-int8") // runs after the canceled task ends
        settle()
        assertNull(viewModel.error)
        assertThrows(Exception::class.java) { png(output.toByteArray()) }
    }

    @Test
    fun aCanceledComparisonDoesNotRestart() {
        val engines = GatedEngineFactory(Semaphore(0))
        app.engines = engines
        val activity = launch().get()
        waitUntil { viewModel.task?.label == R.string.task_upscale }
        activity.findViewById<View>(R.id.cancel).performClick()
        shadowOf(Looper.getMainLooper()).idle()
        assertNull(viewModel.task)
        assertNull(viewModel.comparison)
        engines.open()
        viewModel.selectModel("ecbsr-m4c16-x4-int8")
        settle()
        assertNotNull(viewModel.comparison)
    }

    @Test
    fun rotationKeepsPictureAndViewport() {
        val controller = launch()
        settle()
        pinch(controller.get().view())
        controller.get().view().divider = 0.3f
        settle()
        val zoom = controller.get().view().zoom
        val picture = viewModel.picture
        RuntimeEnvironment.setQualifiers("+land")
        controller.recreate().visible()
        settle()
        val view = controller.get().view()
        assertEquals(picture, viewModel.picture)
        assertEquals(0.3f, view.divider, 0.001f)
        assertTrue("${view.zoom} $zoom", view.zoom >= zoom * 0.99f)
        controller.get().screenshot("landscape")
    }

    @Test
    fun restoresItsStateAfterProcessDeath() {
        val controller = launch()
        settle()
        viewModel.openPicture(document(Fixtures.file("pictures/coffee.png").readBytes(), "coffee.png"))
        settle()
        viewModel.selectModel("ecbsr-m4c16-x4-int8")
        settle()
        controller.get().view().divider = 0.7f
        val state = Bundle()
        controller.pause().stop().saveInstanceState(state).destroy()
        endProcess()

        val again = Robolectric.buildActivity(PictureActivity::class.java).setup(state).get()
        settle()
        assertEquals("coffee.png", again.text(R.id.name))
        assertEquals("Model: ecbsr-m4c16-x4-int8", again.text(R.id.model))
        assertEquals(0.7f, again.view().divider, 0.001f)
        assertNotNull(viewModel.comparison)
    }

    @Test
    fun savesToALocationPickedBeforeProcessDeath() {
        val controller = launch()
        settle()
        shadowOf(controller.get()).clickMenuItem(R.id.save)
        val (uri, output) = writableDocument("chelsea-x2.png")
        val state = Bundle()
        controller.pause().stop().saveInstanceState(state).destroy()
        endProcess()

        val again = Robolectric.buildActivity(PictureActivity::class.java).create(state).start()
        again.get().receive(2, uri)
        again.restoreInstanceState(state).resume().visible()
        settle()
        assertEquals(0, difference(Fixtures.read(Fixtures.file("upscaled/ecbsr-m4c16-x2-int8--chelsea.png")), png(output.toByteArray())))
        assertNotNull(viewModel.comparison)
    }

    /** Delivers a result for a request of the previous process. */
    private fun PictureActivity.receive(request: Int, uri: Uri) {
        val method = Activity::class.java.declaredMethods.first { it.name == "onActivityResult" && it.parameterCount == 3 }
        method.apply { isAccessible = true }.invoke(this, request, Activity.RESULT_OK, Intent().setData(uri))
    }
}
