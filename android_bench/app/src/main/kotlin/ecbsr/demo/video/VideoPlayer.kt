package ecbsr.demo.video

import android.content.Context
import android.net.Uri
import android.os.Handler
import android.os.Looper
import ecbsr.demo.core.Backend
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.video.Cause
import ecbsr.demo.core.video.Effort
import ecbsr.demo.core.video.FileListener
import ecbsr.demo.core.video.FilePlayer
import ecbsr.demo.core.video.Pacer
import ecbsr.demo.core.video.Playback
import ecbsr.demo.core.video.SessionRecord
import ecbsr.demo.core.video.VideoDecoder
import ecbsr.demo.core.video.VideoListener
import ecbsr.demo.core.video.VideoNumbers
import ecbsr.demo.core.video.VideoPipeline
import ecbsr.demo.core.video.VideoStatistics
import ecbsr.demo.ui.VideoView
import java.io.Serializable
import java.time.Instant
import java.util.concurrent.Executors

/** What the video screen shows. */
sealed interface VideoSource : Serializable {
    /** The clip of the app. */
    data object Clip : VideoSource {
        private fun readResolve(): Any = Clip
    }

    /** A video of another app, by its URI. */
    data class File(val uri: String) : VideoSource

    data object Camera : VideoSource {
        private fun readResolve(): Any = Camera
    }
}

/** What upscales a video. [smaller] is a faster model of the same scale, or null. */
data class VideoSettings(val model: SrModel, val smaller: SrModel?, val backend: Backend)

/**
 * Plays a video through a model. The main thread uses it.
 *
 * @param openDecoder opens a file; tests have no decoders.
 * @param onChange is called when what the screen shows changes.
 * @param onPicture is called when a new picture is ready.
 */
class VideoPlayer(
    private val context: Context,
    private val engines: EngineFactory,
    private val openDecoder: (MediaSource) -> VideoDecoder,
    private val onChange: () -> Unit,
    private val onPicture: () -> Unit,
) {
    private val main = Handler(Looper.getMainLooper())

    /** Closing waits for a run of the model, and for the app that provides a video: it happens in the background. */
    private val closing = Executors.newCachedThreadPool { Thread(it, "closing") }
    private val focus = SoundFocus(context, ::onFocusLost, ::onFocusGained)
    private var session: Session? = null
    private var isInterrupted = false

    /** The record of the running session, or else of the last one that has measurements. */
    var record: SessionRecord? = null
        private set

    /** The degrees by which the screen's content is turned. */
    @Volatile var displayRotation = 0

    val source get() = session?.source
    val settings get() = session?.settings
    val isPlaying get() = session?.isPlaying ?: false
    val error get() = session?.error
    val effort get() = session?.effort ?: Effort.FULL
    val cause get() = session?.cause ?: Cause.NONE
    val pictures: VideoView.Pictures? get() = session
    val numbers: VideoNumbers? get() = session?.statistics?.numbers()
    val thermal get() = session?.pipeline?.thermal
    val positionMicros get() = session?.positionMicros ?: 0
    val durationMicros get() = session?.durationMicros ?: 0

    /** Plays [source], from [positionMicros] of a file. */
    fun open(source: VideoSource, settings: VideoSettings, positionMicros: Long = 0, isPlaying: Boolean = true) {
        end() // without a report: the screen would open its source again
        session = Session(source, settings).also { it.start(positionMicros, isPlaying) }
        record = session!!.record
        onChange()
    }

    /** Other settings for the same source, at the same position. */
    fun change(settings: VideoSettings) {
        val before = session ?: return
        open(before.source, settings, before.positionMicros, before.isPlaying)
    }

    fun play() {
        isInterrupted = false
        session?.setPlaying(true)
        onChange()
    }

    fun pause() {
        isInterrupted = false
        session?.setPlaying(false)
        onChange()
    }

    fun seek(micros: Long) {
        session?.seek(micros)
        onChange()
    }

    /** Ends the session: the camera, the decoder, the sound and the model. Its record stays. */
    fun close() {
        end()
        focus.abandon()
        onChange()
    }

    private fun end() {
        session?.let { ended ->
            ended.end()
            closing.execute(ended::close)
        }
        session = null
    }

    /** The screen cannot draw, or the user refused the camera. */
    fun fail(message: String) {
        session?.error = message
        onChange()
    }

    /** A call, another player, or headphones that are unplugged. */
    private fun onFocusLost(isTransient: Boolean) {
        if (!isPlaying) return
        pause()
        isInterrupted = isTransient
    }

    private fun onFocusGained() {
        if (isInterrupted) play()
    }

    private inner class Session(val source: VideoSource, val settings: VideoSettings) : VideoView.Pictures, VideoListener, FileListener {
        val statistics = VideoStatistics()
        val record = SessionRecord(name(source), Instant.now().toString(), statistics)
        private val isLive = source == VideoSource.Camera
        private val playback = Playback()
        val pipeline = VideoPipeline(
            settings.model, settings.smaller, settings.backend, if (isLive) null else Pacer(playback),
            PhonePlatform(context, engines), this, statistics, record,
        )
        private var file: FilePlayer? = null
        private var camera: CameraSource? = null
        private var isEnded = false
        var isPlaying = false
            private set
        var error: String? = null
        var effort = Effort.FULL
            private set
        var cause = Cause.NONE
            private set
        var durationMicros = 0L
            private set
        val positionMicros get() = playback.positionMicros

        /** Whether the sound waits for the first picture, after the start or a jump. */
        @Volatile private var awaitsPicture = true

        fun start(positionMicros: Long, isPlaying: Boolean) {
            this.isPlaying = isPlaying
            pipeline.start()
            if (isLive) {
                camera = CameraSource(context, pipeline, { displayRotation }, ::onFailed).also { it.start() }
                return
            }
            if (isPlaying && !focus.request()) this.isPlaying = false
            val media = MediaSource(context, (source as? VideoSource.File)?.let { Uri.parse(it.uri) })
            val open = {
                val decoder = openDecoder(media)
                playback.attach(MediaSound.open(media))
                decoder
            }
            file = FilePlayer(open, playback, pipeline, this)
            if (positionMicros > 0) file!!.seek(positionMicros)
            file!!.start()
        }

        fun setPlaying(playing: Boolean) {
            isPlaying = playing
            if (isLive) return
            if (!playing) return playback.pause()
            if (!focus.request()) {
                isPlaying = false
                return
            }
            if (!awaitsPicture) playback.start()
        }

        fun seek(micros: Long) {
            val player = file ?: return
            playback.pause()
            awaitsPicture = true
            player.seek(micros.coerceIn(0, durationMicros))
        }

        fun end() {
            isEnded = true
            record.end()
            playback.pause()
        }

        /** In the background. The pipeline is closed first, because a decoder can wait for it. */
        fun close() {
            pipeline.close()
            camera?.close()
            file?.close()
        }

        override fun latest() = pipeline.latest()

        override fun onShown(captureNanos: Long) = statistics.shown(captureNanos)

        override fun onPicture() {
            if (awaitsPicture) post { startPlayback() }
            main.post(this@VideoPlayer.onPicture)
        }

        private fun startPlayback() {
            if (!awaitsPicture) return
            awaitsPicture = false
            if (isPlaying && !isLive) playback.start()
        }

        override fun onEffort(effort: Effort, cause: Cause) = post {
            this.effort = effort
            this.cause = cause
        }

        override fun onModelFailed(message: String) = onFailed(message)

        override fun onOpened(durationMicros: Long) = post { this.durationMicros = durationMicros }

        override fun onFailed(message: String) = post { error = message }

        /** Runs [change] on the main thread, unless the session is over. */
        private fun post(change: () -> Unit) {
            main.post {
                if (isEnded) return@post
                change()
                onChange()
            }
        }
    }

    private companion object {
        fun name(source: VideoSource) = when (source) {
            VideoSource.Clip -> "clip"
            is VideoSource.File -> "file"
            VideoSource.Camera -> "camera"
        }
    }
}
