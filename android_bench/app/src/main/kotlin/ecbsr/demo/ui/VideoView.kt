package ecbsr.demo.ui

import android.app.ActivityManager
import android.content.Context
import android.graphics.Canvas
import android.graphics.Color
import android.opengl.GLSurfaceView
import android.util.AttributeSet
import android.view.Choreographer
import android.widget.FrameLayout
import ecbsr.demo.R
import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException
import ecbsr.demo.core.Viewport
import ecbsr.demo.core.video.ShownFrame
import ecbsr.demo.core.video.VideoRenderer
import ecbsr.demo.video.AndroidGl
import javax.microedition.khronos.egl.EGLConfig
import javax.microedition.khronos.opengles.GL10

/**
 * A running video with bicubic upscaling left of a divider and super-resolution right of it. A surface shows the
 * pictures, drawn by its own thread; the divider and the labels are a view above it.
 */
class VideoView(context: Context, attributes: AttributeSet?) : FrameLayout(context, attributes) {
    /** Where the pictures come from, on the GL thread, and who counts those that the screen shows. */
    interface Pictures {
        fun latest(): ShownFrame

        fun onShown(captureNanos: Long)
    }

    private class Look(val viewport: Viewport, val divider: Float)

    /** Whether the phone has the OpenGL ES that draws the pictures; some of Android 8 have only version 2. */
    val isSupported = context.getSystemService(ActivityManager::class.java).deviceConfigurationInfo.reqGlEsVersion >= 0x30000

    private val surface = if (isSupported) GLSurfaceView(context) else null
    val overlay = VideoOverlay(context, ::onMoved).apply { id = R.id.overlay }
    private val canvasColor = context.getColor(R.color.canvas)

    @Volatile private var pictures: Pictures? = null

    @Volatile private var look: Look? = null

    @Volatile private var pictureSize: Size? = null
    private var isScheduled = false

    /** Receives the message if the phone cannot draw the pictures. */
    var onFailed: (String) -> Unit = {}

    init {
        surface?.let {
            it.setEGLContextClientVersion(3)
            it.setRenderer(Renderer())
            it.renderMode = GLSurfaceView.RENDERMODE_WHEN_DIRTY
            addView(it)
        }
        addView(overlay)
    }

    fun show(pictures: Pictures?) {
        if (this.pictures === pictures) return
        this.pictures = pictures
        if (pictures != null) requestPicture()
    }

    /** Draws the newest picture at the next refresh of the screen. The main thread calls it. */
    fun requestPicture() {
        if (isScheduled) return
        isScheduled = true
        Choreographer.getInstance().postFrameCallback {
            isScheduled = false
            surface?.requestRender()
        }
    }

    fun resume() {
        surface?.onResume()
    }

    /** Ends the GL thread's context. */
    fun pause() {
        surface?.onPause()
    }

    private fun onMoved(viewport: Viewport, divider: Float) {
        look = Look(viewport.copy(), divider)
        requestPicture()
    }

    private inner class Renderer : GLSurfaceView.Renderer {
        private var renderer: VideoRenderer? = null
        private var window = Size(1, 1)
        private var shownNumber = 0L
        private var shownPictures: Pictures? = null
        private var failedPictures: Pictures? = null

        override fun onSurfaceCreated(gl: GL10?, config: EGLConfig?) {
            renderer = try {
                VideoRenderer(AndroidGl())
            } catch (error: UserFacingException) {
                post { onFailed(error.message) }
                null
            }
        }

        override fun onSurfaceChanged(gl: GL10?, width: Int, height: Int) {
            window = Size(width, height)
        }

        override fun onDrawFrame(gl: GL10?) {
            val pictures = pictures?.takeIf { it !== failedPictures } ?: return
            val shown = pictures.latest()
            val frame = shown.frame ?: return
            val isTurned = frame.rotation % 180 == 90
            val size = if (isTurned) Size(frame.size.height, frame.size.width) else frame.size
            if (size != pictureSize) {
                pictureSize = size
                post { overlay.showPicture(size, shown.scale) }
                return // the new look requests the picture again
            }
            val look = look ?: return
            try {
                renderer?.draw(shown, look.viewport, window, look.divider, DividedView.NEAREST_FROM * resources.displayMetrics.density, background)
            } catch (error: UserFacingException) {
                failedPictures = pictures
                post { onFailed(error.message) }
                return
            }
            if (shown.number != shownNumber || pictures !== shownPictures) pictures.onShown(frame.captureNanos)
            shownNumber = shown.number
            shownPictures = pictures
        }

        private val background = listOf(Color.red(canvasColor), Color.green(canvasColor), Color.blue(canvasColor)).map { it / 255f }.toFloatArray()
    }
}

/** The divider and the labels above the surface. */
class VideoOverlay(context: Context, private val onMoved: (viewport: Viewport, divider: Float) -> Unit) : DividedView(context, null) {
    private var size: Size? = null

    /** What the right side shows. */
    var rightText: String = context.getString(R.string.super_resolution)
        set(value) {
            if (field != value) invalidate()
            field = value
        }

    override val hasPicture get() = size != null
    override val rightLabel get() = rightText

    fun showPicture(size: Size, scale: Int) {
        val isFirst = this.size == null
        this.size = size
        setScale(scale)
        setPicture(size.width, size.height, isFirst = isFirst)
        invalidate()
    }

    override fun drawSides(canvas: Canvas, x: Float) = Unit // the surface below shows them

    override fun onMoved() {
        super.onMoved()
        if (zoom > 0) onMoved(position, divider * width)
    }
}
