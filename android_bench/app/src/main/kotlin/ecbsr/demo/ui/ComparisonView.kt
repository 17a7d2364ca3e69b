package ecbsr.demo.ui

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Matrix
import android.graphics.Paint
import android.graphics.Path
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
import ecbsr.demo.Comparison
import ecbsr.demo.R
import ecbsr.demo.core.Region
import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.floor

/**
 * A picture with bicubic upscaling left of a divider and super-resolution right of it. The user drags the divider,
 * zooms with two fingers or a double tap, and scrolls with one finger. Both sides move together.
 *
 * Picture coordinates are in low-resolution pixels; [zoom] is the number of screen pixels per such pixel.
 */
class ComparisonView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    private var overview: Bitmap? = null
    private var pictureWidth = 1
    private var pictureHeight = 1
    private var comparison: Comparison? = null

    /** The position of the divider, from 0 (left) to 1 (right). */
    var divider = 0.5f
        set(value) {
            field = value.coerceIn(0f, 1f)
            updateStateDescription()
            invalidate()
        }
    var zoom = 0f
        private set
    private var centerX = 0f
    private var centerY = 0f

    /** Called with the visible region after a gesture or a layout. */
    var onViewport: (Region) -> Unit = {}

    private val density = resources.displayMetrics.density
    private val bilinear = Paint(Paint.FILTER_BITMAP_FLAG)
    private val nearest = Paint().apply { isFilterBitmap = false } // the default is true since Android 10
    private val white = paint(0xffffffff)
    private val shade = paint(0x99000000)
    private val black = paint(0xff000000)
    private val label = paint(0xffffffff)
    private val matrix = Matrix()
    private var draggingDivider = false
    private var movedByUser = false

    private val zoomDetector = ScaleGestureDetector(context, object : ScaleGestureDetector.SimpleOnScaleGestureListener() {
        override fun onScale(detector: ScaleGestureDetector): Boolean {
            zoomTo(zoom * detector.scaleFactor, detector.focusX, detector.focusY)
            return true
        }
    })
    private val scrollDetector = GestureDetector(context, object : GestureDetector.SimpleOnGestureListener() {
        override fun onDown(event: MotionEvent) = true

        override fun onScroll(start: MotionEvent?, event: MotionEvent, dx: Float, dy: Float): Boolean {
            if (!draggingDivider) moveTo(centerX + dx / zoom, centerY + dy / zoom)
            return true
        }

        override fun onDoubleTap(event: MotionEvent): Boolean {
            zoomTo(if (zoom > minZoom() * 1.5f) minZoom() else minZoom() * 4, event.x, event.y)
            return true
        }
    })

    init {
        isFocusable = true
        contentDescription = context.getString(R.string.comparison_description)
    }

    /** Shows a picture of [width] x [height] pixels with its downsampled [overview]. */
    fun showPicture(overview: Bitmap, width: Int, height: Int) {
        if (this.overview === overview) return
        val isRestored = this.overview == null && zoom > 0
        this.overview = overview
        pictureWidth = width
        pictureHeight = height
        if (isRestored) {
            moveTo(centerX, centerY)
        } else {
            zoom = 0f
            resetViewport()
        }
        invalidate()
    }

    fun showComparison(comparison: Comparison?) {
        this.comparison = comparison
        invalidate()
    }

    /** Zooms around the screen position ([x], [y]), to at most the maximum zoom. */
    fun zoomTo(newZoom: Float, x: Float = width / 2f, y: Float = height / 2f) {
        val pictureX = centerX + (x - width / 2f) / zoom
        val pictureY = centerY + (y - height / 2f) / zoom
        zoom = newZoom.coerceIn(minZoom(), maxOf(minZoom(), maxZoom()))
        moveTo(pictureX - (x - width / 2f) / zoom, pictureY - (y - height / 2f) / zoom)
    }

    /** The picture coordinates at the center of the view. */
    fun center() = centerX to centerY

    /** The visible region, in whole pixels of the picture. */
    fun viewport(): Region {
        val halfWidth = width / 2f / zoom
        val halfHeight = height / 2f / zoom
        return Region(
            floor(centerX - halfWidth).toInt(), floor(centerY - halfHeight).toInt(),
            ceil(centerX + halfWidth).toInt(), ceil(centerY + halfHeight).toInt(),
        ).within(pictureWidth, pictureHeight)
    }

    override fun onSizeChanged(width: Int, height: Int, oldWidth: Int, oldHeight: Int) {
        label.textSize = LABEL_SIZE * resources.displayMetrics.scaledDensityCompat
        while (labelWidth(resources.getString(R.string.super_resolution)) > width * 0.45f && label.textSize > 1) label.textSize *= 0.95f
        if (overview != null) resetViewport()
    }

    override fun onTouchEvent(event: MotionEvent): Boolean {
        if (overview == null || zoom == 0f) return false
        if (event.actionMasked == MotionEvent.ACTION_DOWN) {
            draggingDivider = abs(event.x - divider * width) < GRIP_RADIUS * density
            movedByUser = true
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
        val overview = overview ?: return
        val x = divider * width
        drawSide(canvas, 0f, x, overview, comparison?.bicubic)
        drawSide(canvas, x, width.toFloat(), overview, comparison?.superResolution)
        drawDivider(canvas, x)
        drawLabels(canvas, x)
    }

    private fun drawSide(canvas: Canvas, left: Float, right: Float, overview: Bitmap, upscaled: Bitmap?) {
        if (right <= left) return
        canvas.save()
        canvas.clipRect(left, 0f, right, height.toFloat())
        comparison?.region?.let {
            if (upscaled != null) drawRegion(canvas, upscaled, it)
            // The overview would be visible through a transparent picture.
            canvas.clipOutRect(screenX(it.left), screenY(it.top), screenX(it.right), screenY(it.bottom))
        }
        drawRegion(canvas, overview, Region(0, 0, pictureWidth, pictureHeight))
        canvas.restore()
    }

    private fun screenX(x: Int) = width / 2f + (x - centerX) * zoom

    private fun screenY(y: Int) = height / 2f + (y - centerY) * zoom

    private fun drawRegion(canvas: Canvas, bitmap: Bitmap, region: Region) {
        val scaleX = region.width * zoom / bitmap.width
        matrix.setScale(scaleX, region.height * zoom / bitmap.height)
        matrix.postTranslate(screenX(region.left), screenY(region.top))
        // Large pixels are drawn as squares, because interpolation would be a third way of upscaling.
        canvas.drawBitmap(bitmap, matrix, if (scaleX >= NEAREST_FROM * density) nearest else bilinear)
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

    private fun drawLabels(canvas: Canvas, x: Float) {
        val right = resources.getString(R.string.super_resolution)
        drawLabel(canvas, resources.getString(R.string.bicubic), 12 * density, 0f, x)
        drawLabel(canvas, right, width - 12 * density - labelWidth(right), x, width.toFloat())
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
        if (movedByUser) putFloatArray("viewport", floatArrayOf(zoom, centerX, centerY))
    }

    override fun onRestoreInstanceState(state: Parcelable?) {
        val bundle = state as? Bundle ?: return super.onRestoreInstanceState(state)
        @Suppress("DEPRECATION") // the typed variant needs Android 13
        super.onRestoreInstanceState(bundle.getParcelable("view"))
        divider = bundle.getFloat("divider", 0.5f)
        bundle.getFloatArray("viewport")?.let { (savedZoom, x, y) ->
            zoom = savedZoom
            centerX = x
            centerY = y
            movedByUser = true
        }
    }

    /** Fits the picture into the view, unless the user moved it. */
    private fun resetViewport() {
        if (width == 0 || height == 0) return
        if (zoom == 0f || !movedByUser) {
            zoom = minZoom()
            centerX = pictureWidth / 2f
            centerY = pictureHeight / 2f
        }
        zoomTo(zoom)
        onViewport(viewport())
    }

    /** Moves the center to ([x], [y]), with as little empty space around the picture as possible. */
    private fun moveTo(x: Float, y: Float) {
        if (zoom == 0f || width == 0) return
        centerX = clampedCenter(x, width / 2f / zoom, pictureWidth)
        centerY = clampedCenter(y, height / 2f / zoom, pictureHeight)
        invalidate()
    }

    private fun clampedCenter(center: Float, halfView: Float, length: Int) =
        if (2 * halfView >= length) length / 2f else center.coerceIn(halfView, length - halfView)

    /** The zoom at which the whole picture fits. */
    private fun minZoom() = minOf(width.toFloat() / pictureWidth, height.toFloat() / pictureHeight)

    private fun maxZoom() = MAX_PIXEL_SIZE * density * (comparison?.scale ?: 2)

    @Suppress("DEPRECATION") // exact enough for a label; the replacement needs Android 14
    private val DisplayMetrics.scaledDensityCompat get() = scaledDensity

    private fun updateStateDescription() {
        if (Build.VERSION.SDK_INT >= 30) stateDescription = resources.getString(R.string.divider_at, (divider * 100).toInt())
    }

    private fun paint(argb: Long) = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = argb.toInt() }

    private companion object {
        const val LABEL_SIZE = 14f // sp; smaller if both labels do not fit
        const val GRIP_RADIUS = 28f // dp
        const val NEAREST_FROM = 2f // dp per pixel
        const val MAX_PIXEL_SIZE = 24f // dp per pixel of the result
    }
}
