package ecbsr.demo.ui

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Path
import android.graphics.Rect
import android.os.Build
import android.os.Bundle
import android.os.Parcelable
import android.util.AttributeSet
import android.util.DisplayMetrics
import android.view.GestureDetector
import android.view.MotionEvent
import android.view.ScaleGestureDetector
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import ecbsr.demo.R
import ecbsr.demo.core.Region
import ecbsr.demo.core.Viewport
import kotlin.math.abs

/**
 * A divider with a label on each side, above a picture that both sides show. The user drags the divider, zooms with two
 * fingers or a double tap, and scrolls with one finger. Both sides move together.
 */
abstract class DividedView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    protected val density = resources.displayMetrics.density
    protected val position = Viewport(MAX_PIXEL_SIZE * density * 2)

    /** The position of the divider, from 0 (left) to 1 (right). */
    var divider = 0.5f
        set(value) {
            field = value.coerceIn(0f, 1f)
            updateStateDescription()
            keepGripFromBackGesture()
            onMoved()
        }
    val zoom get() = position.zoom

    /** Called with the visible region after a gesture or a layout. */
    var onViewport: (Region) -> Unit = {}

    private val white = paint(0xffffffff)
    private val shade = paint(0x99000000)
    private val black = paint(0xff000000)
    private val label = paint(0xffffffff)
    private var draggingDivider = false
    private var movedByUser = false

    /** Whether there is a picture to move. */
    protected abstract val hasPicture: Boolean
    protected open val leftLabel: String get() = resources.getString(R.string.bicubic)
    protected open val rightLabel: String get() = resources.getString(R.string.super_resolution)

    /** Draws what lies below divider and labels; [x] is the screen position of the divider. */
    protected abstract fun drawSides(canvas: Canvas, x: Float)

    /** Called when the divider or the picture moved. */
    protected open fun onMoved() = invalidate()

    private val zoomDetector = ScaleGestureDetector(context, object : ScaleGestureDetector.SimpleOnScaleGestureListener() {
        override fun onScale(detector: ScaleGestureDetector): Boolean {
            movedByUser = true
            zoomTo(zoom * detector.scaleFactor, detector.focusX, detector.focusY)
            return true
        }
    })
    private val scrollDetector = GestureDetector(context, object : GestureDetector.SimpleOnGestureListener() {
        override fun onDown(event: MotionEvent) = true

        override fun onScroll(start: MotionEvent?, event: MotionEvent, dx: Float, dy: Float): Boolean {
            if (!draggingDivider) {
                movedByUser = true
                position.moveTo(position.centerX + dx / zoom, position.centerY + dy / zoom)
                onMoved()
            }
            return true
        }

        override fun onDoubleTap(event: MotionEvent): Boolean {
            movedByUser = true
            zoomTo(if (zoom > position.minZoom * 1.5f) position.minZoom else position.minZoom * 4, event.x, event.y)
            return true
        }
    })

    init {
        isFocusable = true
        contentDescription = context.getString(R.string.comparison_description)
    }

    /** Another picture, of [width] x [height] pixels; [isFirst] if the view had none before. */
    protected fun setPicture(width: Int, height: Int, isFirst: Boolean) {
        val isRestored = isFirst && zoom > 0
        position.setPicture(width, height)
        if (isRestored) {
            position.moveTo(position.centerX, position.centerY)
        } else {
            movedByUser = false
            position.restore(0f, 0f, 0f)
            resetViewport()
        }
        onMoved()
    }

    /** The model's scale, on which the largest zoom depends. */
    protected fun setScale(scale: Int) {
        position.maxZoom = MAX_PIXEL_SIZE * density * scale
    }

    /** Zooms around the screen position ([x], [y]), to at most the maximum zoom. */
    fun zoomTo(newZoom: Float, x: Float = width / 2f, y: Float = height / 2f) {
        position.zoomTo(newZoom, x, y)
        onMoved()
    }

    /** The picture coordinates at the center of the view. */
    fun center() = position.centerX to position.centerY

    /** The visible region, in whole pixels of the picture. */
    fun viewport(): Region = position.region

    override fun onSizeChanged(width: Int, height: Int, oldWidth: Int, oldHeight: Int) {
        position.setView(width, height)
        label.textSize = LABEL_SIZE * resources.displayMetrics.scaledDensityCompat
        while (labelWidth(resources.getString(R.string.super_resolution)) > width * 0.45f && label.textSize > 1) label.textSize *= 0.95f
        keepGripFromBackGesture()
        if (hasPicture) resetViewport()
    }

    override fun onTouchEvent(event: MotionEvent): Boolean {
        if (!hasPicture || zoom == 0f) return false
        if (event.actionMasked == MotionEvent.ACTION_DOWN) {
            draggingDivider = abs(event.x - divider * width) < GRIP_RADIUS * density
            parent?.requestDisallowInterceptTouchEvent(true)
        }
        if (event.pointerCount > 1) draggingDivider = false
        if (draggingDivider && event.actionMasked == MotionEvent.ACTION_MOVE) divider = event.x / width
        zoomDetector.onTouchEvent(event)
        scrollDetector.onTouchEvent(event)
        if (event.actionMasked == MotionEvent.ACTION_UP || event.actionMasked == MotionEvent.ACTION_CANCEL) {
            if (!draggingDivider) onViewport(viewport())
            draggingDivider = false
        }
        return true
    }

    override fun onDraw(canvas: Canvas) {
        if (!hasPicture) return
        val x = divider * width
        drawSides(canvas, x)
        drawDivider(canvas, x)
        drawLabel(canvas, leftLabel, 12 * density, 0f, x)
        drawLabel(canvas, rightLabel, width - 12 * density - labelWidth(rightLabel), x, width.toFloat())
    }

    private fun drawDivider(canvas: Canvas, x: Float) {
        val y = height * 0.5f
        canvas.drawRect(x - 2 * density, 0f, x + 2 * density, height.toFloat(), shade)
        canvas.drawRect(x - density, 0f, x + density, height.toFloat(), white)
        canvas.drawCircle(x, y, 21 * density, shade)
        canvas.drawCircle(x, y, 20 * density, white)
        for (side in listOf(-1, 1)) {
            val arrow = Path()
            arrow.moveTo(x + side * 13 * density, y)
            arrow.lineTo(x + side * 6 * density, y - 6 * density)
            arrow.lineTo(x + side * 6 * density, y + 6 * density)
            arrow.close()
            canvas.drawPath(arrow, black)
        }
    }

    /** A label at [x], clipped to its side of the divider. */
    private fun drawLabel(canvas: Canvas, text: String, x: Float, clipLeft: Float, clipRight: Float) {
        val padding = 8 * density
        val labelHeight = label.textSize + 10 * density
        canvas.save()
        canvas.clipRect(clipLeft, 0f, clipRight, height.toFloat())
        canvas.drawRoundRect(x, padding, x + labelWidth(text), padding + labelHeight, labelHeight / 2, labelHeight / 2, shade)
        canvas.drawText(text, x + 1.5f * padding, padding + labelHeight / 2 - (label.ascent() + label.descent()) / 2, label)
        canvas.restore()
    }

    private fun labelWidth(text: String) = label.measureText(text) + 24 * density

    override fun onInitializeAccessibilityNodeInfo(info: AccessibilityNodeInfo) {
        super.onInitializeAccessibilityNodeInfo(info)
        info.addAction(AccessibilityNodeInfo.AccessibilityAction.ACTION_SCROLL_FORWARD)
        info.addAction(AccessibilityNodeInfo.AccessibilityAction.ACTION_SCROLL_BACKWARD)
    }

    override fun performAccessibilityAction(action: Int, arguments: Bundle?): Boolean {
        when (action) {
            AccessibilityNodeInfo.ACTION_SCROLL_FORWARD -> divider += 0.1f
            AccessibilityNodeInfo.ACTION_SCROLL_BACKWARD -> divider -= 0.1f
            else -> return super.performAccessibilityAction(action, arguments)
        }
        return true
    }

    override fun onSaveInstanceState(): Parcelable = Bundle().apply {
        putParcelable("view", super.onSaveInstanceState())
        putFloat("divider", divider)
        if (movedByUser) putFloatArray("viewport", floatArrayOf(zoom, position.centerX, position.centerY))
    }

    override fun onRestoreInstanceState(state: Parcelable?) {
        val bundle = state as? Bundle ?: return super.onRestoreInstanceState(state)
        @Suppress("DEPRECATION") // the typed variant needs Android 13
        super.onRestoreInstanceState(bundle.getParcelable("view"))
        divider = bundle.getFloat("divider", 0.5f)
        bundle.getFloatArray("viewport")?.let { (savedZoom, x, y) ->
            position.restore(savedZoom, x, y)
            movedByUser = true
        }
    }

    /** Fits the picture into the view, unless the user moved it. */
    private fun resetViewport() {
        if (width == 0 || height == 0) return
        if (zoom == 0f || !movedByUser) position.fit()
        zoomTo(zoom)
        onViewport(viewport())
    }

    @Suppress("DEPRECATION") // exact enough for a label; the replacement needs Android 14
    private val DisplayMetrics.scaledDensityCompat get() = scaledDensity

    /** At the edge of the screen, dragging the divider would be the gesture for "back". */
    private fun keepGripFromBackGesture() {
        if (Build.VERSION.SDK_INT < 29) return
        val x = (divider * width).toInt()
        val radius = (GRIP_RADIUS * density).toInt()
        val half = (MAX_EXCLUDED / 2 * density).toInt()
        systemGestureExclusionRects = listOf(Rect(x - radius, height / 2 - half, x + radius, height / 2 + half))
    }

    private fun updateStateDescription() {
        if (Build.VERSION.SDK_INT >= 30) stateDescription = resources.getString(R.string.divider_at, (divider * 100).toInt())
    }

    private fun paint(argb: Long) = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = argb.toInt() }

    companion object {
        /** The size of a pixel on the screen, in dp, from which it is drawn as a square: interpolation would be a third way of upscaling. */
        const val NEAREST_FROM = 2f
        private const val LABEL_SIZE = 14f // sp; smaller if both labels do not fit
        private const val GRIP_RADIUS = 28f // dp
        private const val MAX_EXCLUDED = 200f // dp, which the system grants on each edge
        private const val MAX_PIXEL_SIZE = 24f // dp per pixel of the result
    }
}
