package ecbsr.demo.ui

import android.Manifest
import android.app.AlertDialog
import android.content.Intent
import android.content.pm.PackageManager
import android.graphics.Bitmap
import android.graphics.Canvas
import android.media.AudioManager
import android.os.Bundle
import android.os.Looper
import android.view.View
import android.widget.SeekBar
import ecbsr.demo.Fixtures
import ecbsr.demo.GatedEngineFactory
import ecbsr.demo.R
import ecbsr.demo.Screen
import ecbsr.demo.core.Size
import ecbsr.demo.core.Viewport
import ecbsr.demo.core.video.FakeDecoder
import ecbsr.demo.core.video.SoftwareGl
import ecbsr.demo.core.video.VideoRenderer
import ecbsr.demo.core.video.frame
import ecbsr.demo.video.VideoSource
import java.time.Duration
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Semaphore
import org.json.JSONObject
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import org.robolectric.shadows.ShadowAlertDialog

/** The video screen with a decoder of the test, and real models. There is no GL thread, so the test reads the pictures. */
class VideoActivityTest : Screen() {
    private val player get() = viewModel.video
    private val decoders = mutableListOf<FakeDecoder>()
    private var last: ActivityController<VideoActivity>? = null

    private fun launch(state: Bundle? = null): ActivityController<VideoActivity> {
        app.openDecoder = { FakeDecoder(frame("chelsea")).also(decoders::add) }
        val controller = Robolectric.buildActivity(VideoActivity::class.java).also { last = it }
        return if (state == null) controller.setup() else controller.setup(state)
    }

    private fun waitForPicture() = waitUntil { player.pictures?.latest()?.frame != null }

    @After
    fun close() {
        last?.takeIf { player.source != null }?.pause()?.stop()
    }

    @Test
    fun playsTheClipThroughTheModel() {
        val activity = launch().get()
        waitForPicture()
        val expected = Fixtures.file("video/ecbsr-m4c16-x2-int8--chelsea.y").readBytes()
        val shown = player.pictures!!.latest()
        val bytes = ByteArray(expected.size).also { shown.upscaled!!.duplicate().apply { rewind() }.get(it) }
        assertArrayEquals(expected, bytes)
        waitUntil { player.durationMicros > 0 }
        assertEquals(VideoSource.Clip to 4_000_000L, player.source to player.durationMicros)
        assertEquals("Pause", activity.findViewById<View>(R.id.play).contentDescription)
        assertEquals("ecbsr-m4c8-x2-int8", player.settings!!.smaller!!.name)
        assertTrue(activity.findViewById<View>(R.id.video).keepScreenOn)
    }

    @Test
    fun pausesAndJumps() {
        val activity = launch().get()
        waitForPicture()
        waitUntil { player.durationMicros > 0 }
        activity.findViewById<View>(R.id.play).performClick()
        assertFalse(player.isPlaying)
        assertEquals("Play", activity.findViewById<View>(R.id.play).contentDescription)
        val bar = activity.findViewById<SeekBar>(R.id.seek)
        val listener = shadowOf(bar).onSeekBarChangeListener
        listener.onStartTrackingTouch(bar)
        bar.progress = 750
        listener.onProgressChanged(bar, 750, true)
        assertEquals("0:03 / 0:04", activity.text(R.id.time))
        listener.onStopTrackingTouch(bar)
        waitUntil { player.pictures!!.latest().frame!!.timeMicros == 3_000_000L } // shown although the video is paused
        assertEquals(3_000_000L, player.positionMicros)
    }

    /** In the background nothing is held, and the video continues at its position. */
    @Test
    fun theBackgroundEndsTheSession() {
        val controller = launch()
        waitForPicture()
        waitUntil { player.durationMicros > 0 }
        player.pause()
        player.seek(2_000_000)
        controller.pause().stop()
        assertNull(player.source)
        waitUntilClosed(decoders.single())
        controller.restart().resume()
        assertEquals(2_000_000L, player.positionMicros)
        assertFalse(player.isPlaying)
        waitForPicture()
        assertEquals(2_000_000L, player.pictures!!.latest().frame!!.timeMicros)
    }

    @Test
    fun theEndOfTheProcessKeepsPositionAndProcessor() {
        val controller = launch()
        waitForPicture()
        waitUntil { player.durationMicros > 0 }
        player.pause()
        player.seek(1_000_000)
        val state = Bundle()
        controller.pause().stop().saveInstanceState(state).destroy()
        endProcess()
        launch(state)
        waitUntil { player.source != null }
        assertEquals(1_000_000L, player.positionMicros)
        assertFalse(player.isPlaying)
    }

    @Test
    fun aTurnedPhoneDoesNotInterrupt() {
        val controller = launch()
        waitForPicture()
        val activity = controller.get()
        val (video, side) = listOf(R.id.video, R.id.side).map { activity.findViewById<View>(it) }
        assertEquals(video.bottom, side.top)
        RuntimeEnvironment.setQualifiers("+land")
        controller.configurationChange()
        shadowOf(Looper.getMainLooper()).idle()
        assertEquals(1, decoders.size)
        assertTrue(player.isPlaying)
        assertEquals(video.right to video.height, side.left to side.height)
        assertTrue(video.width > side.width)
        activity.showPicture("video-turned")
        RuntimeEnvironment.setQualifiers("+port")
        controller.configurationChange()
        shadowOf(Looper.getMainLooper()).idle()
        assertEquals(video.bottom to video.width, side.top to side.width)
    }

    @Test
    fun aCallPausesUntilItEnds() {
        launch()
        waitForPicture()
        val listener = shadowOf(app.getSystemService(AudioManager::class.java)).lastAudioFocusRequest.listener
        listener.onAudioFocusChange(AudioManager.AUDIOFOCUS_LOSS_TRANSIENT)
        assertFalse(player.isPlaying)
        listener.onAudioFocusChange(AudioManager.AUDIOFOCUS_GAIN)
        assertTrue(player.isPlaying)
        listener.onAudioFocusChange(AudioManager.AUDIOFOCUS_LOSS) // another player
        listener.onAudioFocusChange(AudioManager.AUDIOFOCUS_GAIN)
        assertFalse(player.isPlaying)
    }

    @Test
    fun unpluggedHeadphonesPause() {
        launch()
        waitForPicture()
        app.sendBroadcast(Intent(AudioManager.ACTION_AUDIO_BECOMING_NOISY))
        waitUntil { !player.isPlaying }
    }

    @Test
    fun onlyTheCameraAsksForAPermission() {
        val activity = launch().get()
        waitForPicture()
        assertNull(shadowOf(activity).lastRequestedPermission)
        shadowOf(activity).clickMenuItem(R.id.camera)
        val request = shadowOf(activity).lastRequestedPermission
        assertArrayEquals(arrayOf(Manifest.permission.CAMERA), request.requestedPermissions)
        assertNull(player.source)
        activity.onRequestPermissionsResult(request.requestCode, request.requestedPermissions, intArrayOf(PackageManager.PERMISSION_DENIED))
        assertTrue(activity.text(R.id.message), activity.text(R.id.message).startsWith("The app may not use the camera."))
        assertNull(player.source)
        shadowOf(activity).clickMenuItem(R.id.clip) // the rest of the app works on
        waitUntil { player.source == VideoSource.Clip }
        assertEquals(View.GONE, activity.findViewById<View>(R.id.message).visibility)
    }

    @Test
    fun aPhoneWithoutCameraSaysSo() {
        shadowOf(app).grantPermissions(Manifest.permission.CAMERA)
        val activity = launch().get()
        shadowOf(activity).clickMenuItem(R.id.camera)
        waitUntil { player.error != null }
        assertEquals("This phone has no camera.", activity.text(R.id.message))
        assertEquals(View.GONE, activity.findViewById<View>(R.id.controls).visibility)
    }

    @Test
    fun aPhoneWithoutOpenGlEs3SaysSo() {
        setOpenGl(0x20000)
        val controller = launch()
        waitUntil { viewModel.task == null && viewModel.model != null }
        assertEquals("This phone has no OpenGL ES 3, which shows the video.", controller.get().text(R.id.message))
        assertNull(player.source)
        controller.pause().stop().restart().resume()
    }

    /** As after the system ended the process while the user chose the location. */
    @Test
    fun aRecordThatWasLostIsNotSavedAsNothing() {
        viewModel.saveVideoRecord(writableDocument("ecbsr-video.json").first) { error("there is none") }
        assertTrue(viewModel.error!!, viewModel.error!!.startsWith("The measurements are lost"))
    }

    @Test
    fun aProcessorThatCannotRunTheModelSaysSo() {
        val activity = launch().get()
        waitForPicture()
        activity.findViewById<View>(R.id.backend).performClick()
        val dialog = ShadowAlertDialog.getLatestDialog() as AlertDialog
        shadowOf(dialog).clickOnItem(2)
        waitUntil { player.error != null }
        assertEquals("GPU", activity.text(R.id.backend))
        assertEquals("There is no gpu on this machine.", activity.text(R.id.message))
        assertEquals("Bilinear", activity.findViewById<VideoOverlay>(R.id.overlay).rightText)
    }

    @Test
    fun aDecoderThatFailsSaysSo() {
        app.openDecoder = { FakeDecoder(frame("tiny"), failAt = 1) }
        val activity = Robolectric.buildActivity(VideoActivity::class.java).also { last = it }.setup().get()
        waitUntil { player.error != null }
        assertEquals("The phone's decoder failed: test.", activity.text(R.id.message))
    }

    /** Closing waits for the run of the model in the background, not on the main thread. */
    @Test
    fun closingDoesNotWaitForTheModel() {
        val gate = Semaphore(0)
        val engines = GatedEngineFactory(gate)
        app.engines = engines
        val controller = launch()
        waitUntil { player.source != null }
        while (!gate.hasQueuedThreads()) Thread.yield()
        controller.pause().stop()
        assertNull(player.source)
        engines.open()
    }

    /** The app that provides a video can take any time to open it. */
    @Test
    fun aVideoThatIsNotOpenedYetHoldsNoOtherOne() {
        val opening = CountDownLatch(1)
        val answer = CountDownLatch(1)
        app.openDecoder = {
            if (opening.count > 0) {
                opening.countDown()
                answer.await()
            }
            FakeDecoder(frame("chelsea")).also(decoders::add)
        }
        val controller = Robolectric.buildActivity(VideoActivity::class.java).also { last = it }.setup()
        waitUntil { player.source != null }
        opening.await()
        shadowOf(controller.get()).clickMenuItem(R.id.clip)
        waitForPicture()
        controller.pause().stop()
        waitUntilClosed(decoders.single())
        answer.countDown()
    }

    @Test
    fun theRecordIsSharedAndShown() {
        val controller = launch()
        val activity = controller.get()
        for (i in 0 until 5) {
            waitForPicture()
            player.pictures!!.onShown(0)
        }
        activity.showPicture("video")
        shadowOf(activity).clickMenuItem(R.id.save)
        val (uri, output) = writableDocument("ecbsr-video.json")
        assertEquals("ecbsr-video.json", shadowOf(activity).peekNextStartedActivityForResult().intent.getStringExtra(Intent.EXTRA_TITLE))
        activity.pick(uri)
        waitUntil { viewModel.task == null }
        val json = JSONObject(output.toString())
        assertEquals("[384,264]", "${json.getJSONArray("results").getJSONObject(0).getJSONArray("size")}")
        assertEquals("clip", json.getJSONObject("video").getString("source"))
        assertTrue(json.getJSONObject("video").getInt("shown") >= 5)
    }

    /** Renders the screen: the picture as the phone's GL thread draws it, and the rest of the screen above it. */
    private fun VideoActivity.showPicture(name: String) {
        val view = findViewById<VideoView>(R.id.video)
        val overlay = findViewById<VideoOverlay>(R.id.overlay)
        val shown = player.pictures!!.latest()
        val size = shown.frame!!.size
        overlay.showPicture(size, shown.scale)
        overlay.zoomTo(zoomOf(overlay))
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofSeconds(1))
        assertTrue(text(R.id.numbers), "frames/s" in text(R.id.numbers))
        val window = Size(view.width, view.height)
        val viewport = Viewport(1000f)
        viewport.setView(window.width, window.height)
        viewport.setPicture(size.width, size.height)
        viewport.fit()
        viewport.zoomTo(zoomOf(overlay))
        val pixels = SoftwareGl.open(window).use { gl ->
            VideoRenderer(gl).draw(shown, viewport, window, overlay.divider * window.width, 3f, FloatArray(3) { 0.9f })
            gl.pixels()
        }
        val picture = Bitmap.createBitmap(IntArray(pixels.size) { pixels[it] or (255 shl 24) }, window.width, window.height, Bitmap.Config.ARGB_8888)
        val place = IntArray(2).also(view::getLocationInWindow)
        val screen = drawn()
        // A surface is a hole in the window; without one, the view has its background there.
        val cleared = screen.copy(Bitmap.Config.ARGB_8888, true)
        val canvas = Canvas(cleared)
        canvas.drawBitmap(picture, place[0].toFloat(), place[1].toFloat(), null)
        canvas.translate(place[0].toFloat(), place[1].toFloat())
        overlay.draw(canvas)
        save(cleared, name)
    }

    private fun zoomOf(overlay: VideoOverlay) = overlay.height / 264f

    private fun waitUntilClosed(decoder: FakeDecoder) {
        while (!decoder.isClosed) Thread.yield()
    }
}
