package ecbsr.demo.ui

import android.Manifest
import android.app.AlertDialog
import android.content.Intent
import android.content.pm.PackageManager
import android.content.res.Configuration
import android.hardware.display.DisplayManager
import android.net.Uri
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import android.view.Gravity
import android.view.MenuItem
import android.view.View
import android.view.ViewGroup.LayoutParams.MATCH_PARENT
import android.view.ViewGroup.LayoutParams.WRAP_CONTENT
import android.widget.Button
import android.widget.ImageButton
import android.widget.LinearLayout
import android.widget.LinearLayout.LayoutParams
import android.widget.SeekBar
import android.widget.TextView
import ecbsr.demo.DemoViewModel
import ecbsr.demo.R
import ecbsr.demo.ResultExporter
import ecbsr.demo.core.Backend
import ecbsr.demo.core.video.Cause
import ecbsr.demo.core.video.Effort
import ecbsr.demo.video.VideoSettings
import ecbsr.demo.video.VideoSource
import java.util.Locale

/** Plays the clip, a video or the camera through the selected model. */
class VideoActivity : DemoActivity(R.layout.video, R.menu.video) {
    private val view by lazy { findViewById<VideoView>(R.id.video) }
    private val seekBar by lazy { findViewById<SeekBar>(R.id.seek) }
    private val player get() = viewModel.video
    private val handler = Handler(Looper.getMainLooper())
    private var isStarted = false
    private var isDragging = false

    // What to play when the screen is visible and the model is loaded.
    private var source: VideoSource = VideoSource.Clip
    private var backend: Backend = Backend.Cpu(threads = 4)
    private var position = 0L
    private var isPlaying = true

    /** Why nothing is played although it was chosen. */
    private var refusal: String? = null

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        arrange(resources.configuration)
        if (state != null) restore(state)
        findViewById<Button>(R.id.model).setOnClickListener { startActivity(Intent(this, ModelsActivity::class.java)) }
        findViewById<Button>(R.id.backend).setOnClickListener { chooseBackend() }
        findViewById<ImageButton>(R.id.play).setOnClickListener { if (player.isPlaying) player.pause() else player.play() }
        seekBar.setOnSeekBarChangeListener(seekListener)
        view.onFailed = player::fail
        loadModelIfNone()
    }

    override fun onConfigurationChanged(configuration: Configuration) {
        super.onConfigurationChanged(configuration)
        arrange(configuration)
    }

    /** Puts the controls below the video, or beside it on a wide screen. A turned phone keeps the views, and so the video. */
    private fun arrange(configuration: Configuration) {
        val isWide = configuration.orientation == Configuration.ORIENTATION_LANDSCAPE
        val (along, across) = LinearLayout.HORIZONTAL to LinearLayout.VERTICAL
        findViewById<LinearLayout>(R.id.parts).orientation = if (isWide) along else across
        view.layoutParams = if (isWide) LayoutParams(0, MATCH_PARENT, 1f) else LayoutParams(MATCH_PARENT, 0, 1f)
        val width = resources.getDimensionPixelSize(R.dimen.video_side)
        findViewById<View>(R.id.side).layoutParams = if (isWide) LayoutParams(width, MATCH_PARENT) else LayoutParams(MATCH_PARENT, WRAP_CONTENT)
        findViewById<LinearLayout>(R.id.choices).orientation = if (isWide) across else along
        for ((id, weight) in listOf(R.id.model to 3f, R.id.backend to 2f)) {
            findViewById<View>(id).layoutParams = if (isWide) LayoutParams(MATCH_PARENT, WRAP_CONTENT) else LayoutParams(0, WRAP_CONTENT, weight)
        }
        findViewById<Button>(R.id.backend).apply {
            gravity = Gravity.CENTER_VERTICAL or if (isWide) Gravity.START else Gravity.END
            textAlignment = if (isWide) View.TEXT_ALIGNMENT_VIEW_START else View.TEXT_ALIGNMENT_VIEW_END
        }
    }

    private fun restore(state: Bundle) {
        source = state.savedObject<VideoSource>(SOURCE) ?: source
        backend = state.savedObject<Backend>(BACKEND) ?: backend
        position = state.getLong(POSITION)
        isPlaying = state.getBoolean(PLAYING, true)
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        remember()
        state.saveObject(SOURCE, source)
        state.saveObject(BACKEND, backend)
        state.putLong(POSITION, position)
        state.putBoolean(PLAYING, isPlaying)
    }

    override fun onStart() {
        isStarted = true
        viewModel.onPicture = view::requestPicture
        getSystemService(DisplayManager::class.java).registerDisplayListener(displayListener, handler)
        displayListener.onDisplayChanged(0)
        view.resume()
        super.onStart()
        handler.post(updateNumbers)
    }

    /** In the background, the camera, the decoder and the sound belong to other apps. */
    override fun onStop() {
        remember()
        isStarted = false
        handler.removeCallbacks(updateNumbers)
        getSystemService(DisplayManager::class.java).unregisterDisplayListener(displayListener)
        view.show(null)
        player.close()
        view.pause()
        viewModel.onPicture = {}
        super.onStop()
    }

    private fun remember() {
        if (player.source == null) return
        position = player.positionMicros
        isPlaying = player.isPlaying
    }

    /** The rotation of the screen also changes without a new configuration, from one side to the other. */
    private val displayListener = object : DisplayManager.DisplayListener {
        override fun onDisplayAdded(id: Int) = Unit

        override fun onDisplayRemoved(id: Int) = Unit

        override fun onDisplayChanged(id: Int) {
            @Suppress("DEPRECATION") // the replacement needs Android 11
            player.displayRotation = windowManager.defaultDisplay.rotation * 90
        }
    }

    override fun show() {
        val model = viewModel.model
        findViewById<Button>(R.id.model).text = if (model == null) getString(R.string.models) else getString(R.string.model_button, model.name)
        findViewById<Button>(R.id.backend).text = name(backend)
        if (isStarted && model != null && viewModel.task == null && player.source == null && refusal == null) open()
        view.show(player.pictures)
        view.keepScreenOn = player.isPlaying
        view.overlay.rightText = getString(if (player.effort == Effort.BILINEAR || player.error != null) R.string.bilinear else R.string.super_resolution)
        showControls()
        showMessage()
        if (viewModel.error == null) loadModelIfNone() // a task ran when the screen opened
    }

    private fun showControls() {
        val isFile = player.source != null && player.source != VideoSource.Camera
        findViewById<View>(R.id.controls).visibility = if (isFile) View.VISIBLE else View.GONE
        findViewById<ImageButton>(R.id.play).apply {
            setImageResource(if (player.isPlaying) R.drawable.icon_pause else R.drawable.icon_play)
            contentDescription = getString(if (player.isPlaying) R.string.pause else R.string.play)
        }
    }

    /** Why the picture is not what it could be. */
    private fun showMessage() {
        val message = refusal ?: player.error ?: effortText()
        findViewById<TextView>(R.id.message).apply {
            text = message
            visibility = if (message == null) View.GONE else View.VISIBLE
        }
    }

    private fun effortText(): String? {
        val effort = when (player.effort) {
            Effort.FULL -> return null
            Effort.HALF_RATE -> R.string.effort_half_rate
            Effort.SMALLER_MODEL -> R.string.effort_smaller_model
            Effort.BILINEAR -> R.string.effort_bilinear
        }
        return getString(if (player.cause == Cause.HOT) R.string.because_hot else R.string.because_slow, getString(effort))
    }

    private fun open() {
        if (!view.isSupported) {
            refusal = getString(R.string.no_opengl)
            return
        }
        if (source == VideoSource.Camera && !mayUseCamera()) return askForCamera()
        val model = viewModel.model ?: return
        player.open(source, VideoSettings(model, viewModel.smallerModel, backend), position, isPlaying)
    }

    private fun play(newSource: VideoSource) {
        refusal = null
        source = newSource
        position = 0
        isPlaying = true
        player.close() // calls show(), which opens the new source
    }

    private fun mayUseCamera() = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED

    private fun askForCamera() {
        refusal = getString(R.string.camera_waits)
        requestPermissions(arrayOf(Manifest.permission.CAMERA), CAMERA)
    }

    override fun onRequestPermissionsResult(request: Int, permissions: Array<String>, results: IntArray) {
        super.onRequestPermissionsResult(request, permissions, results)
        refusal = if (results.firstOrNull() == PackageManager.PERMISSION_GRANTED) null else getString(R.string.camera_refused)
        show()
    }

    private fun chooseBackend() {
        val backends = DemoViewModel.BACKENDS
        AlertDialog.Builder(this).setTitle(R.string.backend)
            .setSingleChoiceItems(backends.map { name(it) }.toTypedArray(), backends.indexOf(backend)) { dialog, index ->
                dialog.dismiss()
                backend = backends[index]
                player.settings?.let { player.change(it.copy(backend = backend)) } ?: show()
            }.show()
    }

    private val seekListener = object : SeekBar.OnSeekBarChangeListener {
        override fun onProgressChanged(bar: SeekBar, progress: Int, fromUser: Boolean) {
            if (fromUser) showTime(progress * player.durationMicros / bar.max)
        }

        override fun onStartTrackingTouch(bar: SeekBar) {
            isDragging = true
        }

        override fun onStopTrackingTouch(bar: SeekBar) {
            isDragging = false
            player.seek(bar.progress * player.durationMicros / bar.max)
        }
    }

    private val updateNumbers: Runnable = object : Runnable {
        override fun run() {
            showNumbers()
            handler.postDelayed(this, UPDATE_MILLIS)
        }
    }

    private fun showNumbers() {
        findViewById<TextView>(R.id.numbers).text = numbersText()
        if (isDragging) return
        val duration = player.durationMicros
        seekBar.progress = if (duration > 0) (player.positionMicros * seekBar.max / duration).toInt() else 0
        showTime(player.positionMicros)
    }

    private fun numbersText(): String {
        val numbers = player.numbers ?: return ""
        fun text(value: Double?) = value?.let(::rounded) ?: "–"
        val rate = getString(R.string.video_rate, text(numbers.shownPerSecond), text(numbers.inference), numbers.dropped)
        val latency = numbers.latencyP50?.let { getString(R.string.video_latency, text(it), text(numbers.latencyP95)) }
        return listOfNotNull(rate, latency, thermalText(player.thermal?.status)).joinToString("\n")
    }

    private fun showTime(micros: Long) {
        findViewById<TextView>(R.id.time).text = getString(R.string.video_time, time(micros), time(player.durationMicros))
    }

    private fun time(micros: Long) = (micros / 1_000_000).let { String.format(Locale.ENGLISH, "%d:%02d", it / 60, it % 60) }

    override val canExport get() = player.record?.isEmpty == false

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        when (item.itemId) {
            R.id.clip -> play(VideoSource.Clip)
            R.id.file -> openDocument("video/*", OPEN)
            R.id.camera -> play(VideoSource.Camera)
            R.id.save -> createDocument(JSON, ResultExporter.VIDEO_NAME, SAVE)
            R.id.share -> viewModel.shareVideoRecord { share(it, JSON) }
            else -> return super.onOptionsItemSelected(item)
        }
        return true
    }

    override fun onDocument(request: Int, uri: Uri) {
        when (request) {
            OPEN -> play(VideoSource.File("$uri"))
            SAVE -> viewModel.saveVideoRecord(uri, ::showSaved)
        }
    }

    private companion object {
        const val OPEN = 1
        const val SAVE = 2
        const val CAMERA = 3
        const val UPDATE_MILLIS = 500L
        const val SOURCE = "source"
        const val BACKEND = "backend"
        const val POSITION = "position"
        const val PLAYING = "playing"
        const val JSON = "application/json"
    }
}
