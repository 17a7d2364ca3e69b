package ecbsr.demo

import android.content.Intent
import android.graphics.Bitmap
import android.net.Uri
import android.os.Bundle
import android.view.MotionEvent
import android.view.View
import android.widget.TextView
import ecbsr.demo.core.Engines
import ecbsr.demo.core.Pixels
import ecbsr.demo.core.difference
import ecbsr.demo.ui.ComparisonView
import ecbsr.demo.ui.PictureActivity
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import javax.imageio.ImageIO
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController

class PictureScreenTest : Screen() {
    @Test
    fun theFirstStartShowsTheSampleBothWays() {
        val activity = start()
        assertEquals("chelsea.png", activity.text(R.id.name))
        assertEquals("384 × 264 → 768 × 528", activity.text(R.id.sizes))
        assertEquals("Model: ecbsr-m4c16-x2-int8", activity.text(R.id.model))
        val expected = Fixtures.read(Fixtures.file("upscaled/ecbsr-m4c16-x2-int8--chelsea.png"))
        assertEquals(0, difference(expected, workbench.comparison!!.upscaled.pixels()))
        assertEquals(0, difference(Fixtures.read(Fixtures.file("bicubic/chelsea-x2.png")), workbench.comparison!!.bicubic.pixels()))
        activity.picture("picture")
    }

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
        assertEquals("a touch elsewhere moves the picture", 0.25f, view.divider, 0.01f)
        activity.picture("divider")
    }

    @Test
    fun pinchingGoesDownToSinglePixelsOnBothSidesAlike() {
        val activity = start()
        val view = activity.view()
        val before = view.zoom
        pinch(view, 0.32f, 0.42f) // the edge of an eye
        assertTrue("${view.zoom}", view.zoom > before * 1.5f)
        repeat(12) { pinch(view, 0.32f, 0.42f) }
        view.divider = 0.5f
        val shown = view.drawn()
        val comparison = workbench.comparison!!
        val side = view.zoom / comparison.scale // screen pixels of one result pixel
        assertTrue("$side", side >= 24)
        activity.picture("pixels")
        // Each screen pixel is the result pixel under it: bicubic left of the divider, super-resolution right.
        val viewport = view.viewport()
        var compared = 0
        for (y in (viewport.top * 2 + 2) until viewport.bottom * 2 - 2) for (x in (viewport.left * 2 + 2) until viewport.right * 2 - 2) {
            for (place in listOf(0.1f, 0.5f, 0.9f)) { // near both edges of the pixel, too: it is a square
                val (screenX, screenY) = view.toScreen((x + place) / 2, (y + place) / 2)
                if (screenX !in 0 until view.width || screenY !in 150 until view.height) continue // below the labels
                if (kotlin.math.abs(screenX - view.width / 2) < 40) continue // under the divider
                val bitmap = if (screenX < view.width / 2) comparison.bicubic else comparison.upscaled
                assertEquals("$x $y", bitmap.getPixel(x, y), shown.argb[screenY * shown.width + screenX])
                compared++
            }
        }
        assertTrue("$compared", compared > 50)
    }

    @Test
    fun aPictureFromAnotherAppIsOpened() {
        val uri = document(Fixtures.file("pictures/text.png").readBytes(), "text.png")
        val send = Intent(Intent.ACTION_SEND).setClass(app, PictureActivity::class.java).setType("image/png").putExtra(Intent.EXTRA_STREAM, uri)
        val activity = start(send)
        assertEquals("text.png", activity.text(R.id.name))
        assertEquals(444, workbench.picture!!.file.width)
        assertNull(workbench.message)
    }

    @Test
    fun aShareWithoutAPictureSaysSo() {
        val activity = start(Intent(Intent.ACTION_SEND).setClass(app, PictureActivity::class.java).setType("image/png"))
        assertEquals("The other app shared no picture.", activity.text(R.id.message))
        activity.picture("nothing-shared")
    }

    @Test
    fun badPicturesGetASentenceAndTheOldOneStays() {
        val activity = start()
        val whole = Fixtures.file("pictures/chelsea.png").readBytes()
        for ((bytes, sentence) in listOf(
            ByteArray(0) to "The picture is empty.",
            ByteArray(5000) { (it * 7).toByte() } to "The file is not a picture that this phone can read.",
            Fixtures.model("ecbsr-m4c16-x2-int8") to "The file is not a picture that this phone can read.",
            whole.copyOf(20) to "The file is not a picture that this phone can read.",
        )) {
            workbench.open(document(bytes, "bad"))
            settle()
            assertEquals(sentence, activity.text(R.id.message))
        }
        workbench.open(Uri.parse("content://nobody/there"))
        settle()
        assertTrue(activity.text(R.id.message), activity.text(R.id.message).startsWith("The "))
        activity.picture("bad-picture")
        assertEquals("chelsea.png", activity.text(R.id.name))
        assertEquals(0, difference(Fixtures.picture("chelsea"), workbench.picture!!.file.let { it.read(it.whole) }))
    }

    @Test
    fun aPictureCutShortDoesNotCrash() {
        start()
        val whole = Fixtures.file("pictures/chelsea.png").readBytes()
        for (part in 1..9) {
            workbench.open(document(whole.copyOf(whole.size * part / 10), "cut.png"))
            settle()
        }
    }

    @Test
    fun exifTurnsAPhotoUpright() {
        val picture = Fixtures.picture("chelsea")
        val plain = jpeg(picture)
        start()
        workbench.open(document(plain, "plain.jpg"))
        settle()
        val upright = workbench.picture!!.file.run { read(whole) }
        for (exif in 1..8) {
            workbench.open(document(withOrientation(plain, exif), "turned.jpg"))
            settle()
            val file = workbench.picture!!.file
            val expected = ecbsr.demo.core.Orientation.of(exif).upright(upright)
            assertEquals("$exif", "${expected.width}x${expected.height}", "${file.width}x${file.height}")
            assertArrayEquals("$exif", expected.argb, file.read(file.whole).argb)
            assertEquals("$exif", expected.width > expected.height, file.overview.width > file.overview.height)
        }
    }

    @Test
    fun transparencyIsKept() {
        start()
        workbench.open(document(Fixtures.file("pictures/transparent.png").readBytes(), "transparent.png"))
        settle()
        val saved = save("out.png")
        val expected = Fixtures.read(Fixtures.file("upscaled/ecbsr-m4c16-x2-int8--transparent.png"))
        assertEquals(0, difference(expected, saved))
    }

    @Test
    fun throughATransparentPictureOnlyTheBackgroundIsSeen() {
        val activity = start()
        workbench.open(document(Fixtures.file("pictures/transparent.png").readBytes(), "transparent.png"))
        settle()
        val view = activity.view()
        view.zoomTo(48f) // squares, so that each screen pixel is one pixel of the result
        settle()
        val shown = view.drawn()
        val comparison = workbench.comparison!!
        val viewport = view.viewport()
        var compared = 0
        for (y in (viewport.top * 2 + 2) until viewport.bottom * 2 - 2) for (x in (viewport.left * 2 + 2) until viewport.right * 2 - 2) {
            val (screenX, screenY) = view.toScreen((x + 0.5f) / 2, (y + 0.5f) / 2)
            if (screenX !in 0 until view.width || screenY !in 150 until view.height) continue
            if (kotlin.math.abs(screenX - view.width / 2) < 40) continue
            val bitmap = if (screenX < view.width / 2) comparison.bicubic else comparison.upscaled
            val (wanted, found) = bitmap.getPixel(x, y) ushr 24 to (shown.argb[screenY * shown.width + screenX] ushr 24)
            assertEquals("$x $y", wanted.toDouble(), found.toDouble(), 1.0)
            compared++
        }
        assertTrue("$compared", compared > 50)
        activity.picture("transparent")
    }

    @Test
    fun aFormatThatIsNotDecodedInPartsIsReadWhole() {
        val activity = start()
        val image = ImageIO.read(Fixtures.file("pictures/coffee.png"))
        val gif = ByteArrayOutputStream().also { ImageIO.write(image, "gif", it) }.toByteArray()
        workbench.open(document(gif, "coffee.gif"))
        settle()
        assertNull(workbench.message)
        val shown = workbench.comparison!!
        assertEquals("${image.width * 2}x${image.height * 2}", "${shown.upscaled.width}x${shown.upscaled.height}")
        val decoded = ImageIO.read(ByteArrayInputStream(gif))
        val expected = decoded.getRGB(0, 0, image.width, image.height, null, 0, image.width)
        assertArrayEquals(expected, workbench.picture!!.file.run { read(whole) }.argb)
        val wide = ByteArrayOutputStream().also { ImageIO.write(java.awt.image.BufferedImage(6000, 5000, 10), "gif", it) }
        workbench.open(document(wide.toByteArray(), "wide.gif"))
        settle()
        assertEquals("6000x5000 is too large for this format: use JPEG, PNG or WebP.", activity.text(R.id.message))
    }

    @Test
    fun aFileThatNeverEndsCanBeStopped() {
        val activity = start()
        val uri = Uri.parse("content://other.app/endless")
        val reading = java.util.concurrent.CountDownLatch(1)
        shadowOf(app.contentResolver).registerInputStreamSupplier(uri) {
            object : java.io.InputStream() {
                override fun read() = 0

                override fun read(buffer: ByteArray, from: Int, count: Int): Int = 1.also { reading.countDown(); Thread.sleep(1) }
            }
        }
        workbench.open(uri)
        reading.await()
        activity.findViewById<View>(R.id.cancel).performClick()
        workbench.open(document(Fixtures.file("pictures/text.png").readBytes(), "text.png"))
        settle()
        assertEquals("text.png", activity.text(R.id.name))
    }

    @Test
    fun ofTwoPictureScreensTheOneInFrontGetsItsPart() {
        val first = launch()
        settle()
        first.pause().stop()
        val large = document(photo(4000, 3000), "photo.jpg")
        val second = start(Intent(Intent.ACTION_SEND).setClass(app, PictureActivity::class.java).putExtra(Intent.EXTRA_STREAM, large))
        repeat(4) { pinch(second.view()) }
        settle()
        val (region, there) = workbench.comparison!!.region to second.view().viewport()
        assertTrue("$region $there", region.left <= there.left && region.top <= there.top && region.right >= there.right && region.bottom >= there.bottom)
    }

    @Test
    fun theScreenStaysOnWhileSomethingIsDone() {
        val go = java.util.concurrent.CountDownLatch(1)
        app.engines = Engines { model, backend -> go.await(); DesktopEngines.open(model, backend) }
        val activity = launch().get()
        while (workbench.task?.label != R.string.task_upscale) shadowOf(android.os.Looper.getMainLooper()).idle()
        fun kept() = activity.window.attributes.flags and android.view.WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON != 0
        assertTrue(kept())
        go.countDown()
        settle()
        assertFalse(kept())
    }

    @Test
    fun whatNobodyForesawIsASentenceToo() {
        app.engines = Engines { _, _ -> error("odd") }
        val activity = start()
        assertTrue(activity.text(R.id.message), activity.text(R.id.message).startsWith("This failed unexpectedly: "))
    }

    @Test
    fun savingWritesWhatEcbsrUpscaleWrites() {
        val activity = start()
        shadowOf(activity).clickMenuItem(R.id.save)
        val (uri, out) = place("chelsea-x2.png")
        val asked = shadowOf(activity).peekNextStartedActivityForResult().intent
        assertEquals(Intent.ACTION_CREATE_DOCUMENT, asked.action)
        assertEquals("chelsea-x2.png", asked.getStringExtra(Intent.EXTRA_TITLE))
        activity.answer(uri)
        settle()
        assertEquals(0, difference(Fixtures.read(Fixtures.file("upscaled/ecbsr-m4c16-x2-int8--chelsea.png")), png(out.toByteArray())))
    }

    @Test
    fun sharingOffersTheResultToOtherApps() {
        val activity = start()
        shadowOf(activity).clickMenuItem(R.id.share)
        settle()
        val chooser = shadowOf(activity).nextStartedActivity
        assertEquals(Intent.ACTION_CHOOSER, chooser.action)
        @Suppress("DEPRECATION")
        val send = chooser.getParcelableExtra<Intent>(Intent.EXTRA_INTENT)!!
        assertEquals("image/png", send.type)
        assertTrue(send.flags and Intent.FLAG_GRANT_READ_URI_PERMISSION != 0)
        val uri = send.clipData!!.getItemAt(0).uri
        val provider = Robolectric.buildContentProvider(ecbsr.demo.io.SharedFiles::class.java).create("ecbsr.demo.files").get()
        assertEquals("image/png", provider.getType(uri))
        val bytes = java.io.FileInputStream(provider.openFile(uri, "r")!!.fileDescriptor).use { it.readBytes() }
        assertEquals(0, difference(Fixtures.read(Fixtures.file("upscaled/ecbsr-m4c16-x2-int8--chelsea.png")), png(bytes)))
        for (path in listOf("..%2Fpicture", "nothing.png", "")) {
            val other = Uri.parse("content://ecbsr.demo.files/$path")
            org.junit.Assert.assertThrows(path, java.io.FileNotFoundException::class.java) { provider.openFile(other, "r") }
        }
        org.junit.Assert.assertThrows(java.io.FileNotFoundException::class.java) { provider.openFile(uri, "w") }
    }

    @Test
    fun aFiftyMegapixelPhotoIsShownInPartsAndSavingItCanBeStopped() {
        val activity = start()
        workbench.open(document(photo(8160, 6120), "photo.jpg"))
        settle()
        assertEquals("8160 × 6120 → 16320 × 12240", activity.text(R.id.sizes))
        assertNull(workbench.message)
        assertEquals("Zoom in to compare", activity.text(R.id.closer))
        assertEquals(View.VISIBLE, activity.findViewById<View>(R.id.closer).visibility)
        activity.picture("photo")
        val view = activity.view()
        repeat(5) { pinch(view) }
        settle()
        val comparison = workbench.comparison!!
        assertTrue("${comparison.region}", comparison.region.width < 2048)
        assertEquals(View.GONE, activity.findViewById<View>(R.id.closer).visibility)
        activity.picture("photo-near")

        val (uri, out) = place("photo-x2.png")
        workbench.save(uri) {}
        while (workbench.task!!.progress == 0f) {
            Thread.sleep(20)
            shadowOf(android.os.Looper.getMainLooper()).idle()
        }
        activity.pictureNow("saving")
        activity.findViewById<View>(R.id.cancel).performClick()
        assertNull(workbench.task)
        settle()
        assertNull(workbench.message)
        assertTrue(out.size() < 200_000_000)
    }

    @Test
    fun whatWasStoppedDoesNotStartAgainByItself() {
        val activity = launch().get()
        while (workbench.task?.label != R.string.task_upscale) {
            if (workbench.comparison != null) workbench.choose("ecbsr-m4c16-x2-int8") // done between two looks: again
            shadowOf(android.os.Looper.getMainLooper()).idle()
        }
        activity.findViewById<View>(R.id.cancel).performClick()
        shadowOf(android.os.Looper.getMainLooper()).idle()
        assertNull(workbench.task)
        assertNull(workbench.comparison)
        workbench.choose("ecbsr-m4c16-x4-int8")
        settle()
        assertNotNull(workbench.comparison)
    }

    @Test
    fun noMemoryIsASentence() {
        app.engines = Engines { _, _ -> throw OutOfMemoryError() }
        val activity = start()
        assertTrue(activity.text(R.id.message), activity.text(R.id.message).startsWith("There is not enough memory"))
        activity.picture("no-memory")
    }

    @Test
    fun aRuntimeThatFailsIsASentence() {
        app.engines = Engines { model, backend -> DesktopEngines.open(model.also { it.put(4, 0) }, backend) }
        val activity = start()
        assertEquals("The runtime refused the model.", activity.text(R.id.message))
    }

    @Test
    fun aTurnOfThePhoneKeepsPictureAndPlace() {
        val controller = launch()
        settle()
        pinch(controller.get().view())
        controller.get().view().divider = 0.3f
        settle()
        val (zoom, picture) = controller.get().view().zoom to workbench.picture
        RuntimeEnvironment.setQualifiers("+land")
        controller.recreate().visible()
        settle()
        val view = controller.get().view()
        assertEquals(picture, workbench.picture)
        assertEquals(0.3f, view.divider, 0.001f)
        assertTrue("${view.zoom} $zoom", view.zoom >= zoom * 0.99f)
        controller.get().picture("landscape")
    }

    @Test
    fun afterTheSystemEndedTheAppItComesBackAsItWas() {
        val controller = launch()
        settle()
        workbench.open(document(Fixtures.file("pictures/coffee.png").readBytes(), "coffee.png"))
        settle()
        workbench.choose("ecbsr-m4c16-x4-int8")
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
        assertNotNull(workbench.comparison)
    }

    @Test
    fun aPlacePickedWhileTheSystemEndedTheAppStillGetsTheResult() {
        val controller = launch()
        settle()
        shadowOf(controller.get()).clickMenuItem(R.id.save)
        val (uri, out) = place("chelsea-x2.png")
        val state = Bundle()
        controller.pause().stop().saveInstanceState(state).destroy()
        endProcess()

        val again = Robolectric.buildActivity(PictureActivity::class.java).create(state).start()
        again.get().receive(2, uri)
        again.restoreInstanceState(state).resume().visible()
        settle()
        assertEquals(0, difference(Fixtures.read(Fixtures.file("upscaled/ecbsr-m4c16-x2-int8--chelsea.png")), png(out.toByteArray())))
        assertNotNull(workbench.comparison)
    }

    @Test
    fun darkLargeAndRightToLeft() {
        for ((name, qualifiers, font) in listOf(
            Triple("picture-dark", "+night", 1f), Triple("picture-large", "+notnight", 2f), Triple("picture-rtl", "+ar-ldrtl", 1f),
        )) {
            RuntimeEnvironment.setQualifiers(qualifiers)
            RuntimeEnvironment.setFontScale(font)
            val controller = launch()
            settle()
            val activity = controller.get()
            activity.picture(name)
            // Read with its arrow, in any language.
            assertEquals("384 × 264 → 768 × 528", activity.text(R.id.sizes))
            assertEquals(android.text.Layout.DIR_LEFT_TO_RIGHT, activity.findViewById<TextView>(R.id.sizes).layout.getParagraphDirection(0))
            for (id in listOf(R.id.name, R.id.sizes, R.id.model)) assertFalse("$name $id", activity.findViewById<TextView>(id).cutOff())
            controller.pause().stop().destroy()
        }
    }

    @Test
    fun aScreenReaderCanMoveTheDivider() {
        val view = start().view()
        view.performAccessibilityAction(android.view.accessibility.AccessibilityNodeInfo.ACTION_SCROLL_FORWARD, null)
        assertEquals(0.6f, view.divider, 0.001f)
        assertEquals("Divider at 60 %", view.stateDescription)
    }

    /** The answer to a question that an earlier process asked. */
    private fun PictureActivity.receive(request: Int, uri: Uri) {
        val method = android.app.Activity::class.java.declaredMethods.first { it.name == "onActivityResult" && it.parameterCount == 3 }
        method.apply { isAccessible = true }.invoke(this, request, android.app.Activity.RESULT_OK, Intent().setData(uri))
    }

    private fun launch(intent: Intent? = null): ActivityController<PictureActivity> =
        Robolectric.buildActivity(PictureActivity::class.java, intent).setup()

    private fun start(intent: Intent? = null) = launch(intent).get().also { settle() }

    private fun PictureActivity.view() = findViewById<ComparisonView>(R.id.comparison)

    private fun PictureActivity.text(id: Int) = findViewById<TextView>(id).text.toString()

    private fun ComparisonView.drawn(): Pixels {
        val bitmap = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888)
        draw(android.graphics.Canvas(bitmap))
        return bitmap.pixels()
    }

    /** Where a place of the picture is on the screen, from the viewport and zoom that the view tells. */
    private fun ComparisonView.toScreen(x: Float, y: Float): Pair<Int, Int> {
        val (centerX, centerY) = center()
        return (width / 2f + (x - centerX) * zoom).toInt() to (height / 2f + (y - centerY) * zoom).toInt()
    }

    /** Two fingers go apart, around a place given in parts of the view. */
    private fun pinch(view: ComparisonView, across: Float = 0.5f, down: Float = 0.3f) {
        val (x, y) = view.width * across to view.height * down
        fun at(apart: Float) = arrayOf(x - apart to y, x + apart to y)
        view.touch(MotionEvent.ACTION_DOWN, at(135f)[0])
        view.touch(MotionEvent.ACTION_POINTER_DOWN or (1 shl MotionEvent.ACTION_POINTER_INDEX_SHIFT), *at(135f))
        for (apart in 135..265 step 10) view.touch(MotionEvent.ACTION_MOVE, *at(apart.toFloat()))
        view.touch(MotionEvent.ACTION_POINTER_UP or (1 shl MotionEvent.ACTION_POINTER_INDEX_SHIFT), *at(265f))
        view.touch(MotionEvent.ACTION_UP, at(265f)[0])
    }

    private fun save(name: String): Pixels {
        val (uri, out) = place(name)
        workbench.save(uri) {}
        settle()
        return png(out.toByteArray())
    }

    private fun png(bytes: ByteArray): Pixels {
        val image = ImageIO.read(ByteArrayInputStream(bytes))
        return Pixels(image.width, image.height, image.getRGB(0, 0, image.width, image.height, null, 0, image.width))
    }

    private fun jpeg(pixels: Pixels): ByteArray {
        val bitmap = Bitmap.createBitmap(pixels.argb, pixels.width, pixels.height, Bitmap.Config.ARGB_8888)
        return ByteArrayOutputStream().also { bitmap.compress(Bitmap.CompressFormat.JPEG, 90, it) }.toByteArray()
    }

    /** A JPEG with an EXIF segment that holds the orientation alone. */
    private fun withOrientation(jpeg: ByteArray, value: Int): ByteArray {
        val tiff = byteArrayOf(0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, value.toByte(), 0, 0, 0, 0, 0, 0)
        val exif = "Exif".toByteArray() + byteArrayOf(0, 0) + tiff
        return jpeg.copyOf(2) + byteArrayOf(0xff.toByte(), 0xe1.toByte(), 0, (exif.size + 2).toByte()) + exif + jpeg.copyOfRange(2, jpeg.size)
    }

    /** A large photo, made by repeating a small one. */
    private fun photo(width: Int, height: Int): ByteArray {
        val image = java.awt.image.BufferedImage(width, height, java.awt.image.BufferedImage.TYPE_3BYTE_BGR)
        val tile = ImageIO.read(Fixtures.file("pictures/coffee.png"))
        val graphics = image.createGraphics()
        for (y in 0 until height step tile.height) for (x in 0 until width step tile.width) graphics.drawImage(tile, x, y, null)
        graphics.dispose()
        return ByteArrayOutputStream().also { ImageIO.write(image, "jpg", it) }.toByteArray()
    }
}
