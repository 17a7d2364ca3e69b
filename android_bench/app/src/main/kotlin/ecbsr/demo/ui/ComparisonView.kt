package ecbsr.demo.ui

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Matrix
import android.graphics.Paint
import android.graphics.Path
import android.os.Bundle
import android.os.Parcelable
import android.util.AttributeSet
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
 * A picture enlarged two ways, bicubic left of a divider and super-resolution right of it. The divider is
 * dragged; two fingers zoom, one moves, a double tap goes near or shows all. Both sides move as one.
 *
 * Places in the picture are in its own (low-resolution) pixels; [zoom] is screen pixels per such pixel.
 */
class ComparisonView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    private var overview: Bitmap? = null
    private var pictureWidth = 1
    private var pictureHeight = 1
    private var comparison: Comparison? = null

    /** Where the divider stands, 0 at the left edge to 1 at the right. */
    var divider = 0.5f
        set(value) {
            field = value.coerceIn(0f, 1f)
            stateDescriptionChanged()
            invalidate()
        }
    var zoom = 0f
        private set
    private var centerX = 0f
    private var centerY = 0f

    /** Called when the person let go, or the view was laid out, with what is on the screen. */
    var onViewport: (Region) -> Unit = {}

    private val density = resources.displayMetrics.density
    private val smooth = Paint(Paint.FILTER_BITMAP_FLAG)
    private val squares = Paint().apply { isFilterBitmap = false } // on by default since Android 10
    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = 0xffffffff.toInt() }
    private val shade = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = 0x99000000.toInt() }
    private val label = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = 0xffffffff.toInt() }
    private val matrix = Matrix()
    private var draggingDivider = false
    private var touched = false

    private val scaling = ScaleGestureDetector(context, object : ScaleGestureDetector.SimpleOnScaleGestureListener() {
        override fun onScale(detector: ScaleGestureDetector): Boolean {
            zoomTo(zoom * detector.scaleFactor, detector.focusX, detector.focusY)
            return true
        }
    })
    private val moving = GestureDetector(context, object : GestureDetector.SimpleOnGestureListener() {
        override fun onDown(event: MotionEvent) = true

        override fun onScroll(first: MotionEvent?, now: MotionEvent, dx: Float, dy: Float): Boolean {
            if (!draggingDivider) moveTo(centerX + dx / zoom, centerY + dy / zoom)
            return true
        }

        override fun onDoubleTap(event: MotionEvent): Boolean {
            zoomTo(if (zoom > fit() * 1.5f) fit() else fit() * 4, event.x, event.y)
            return true
        }
    })

    init {
        isFocusable = true
        contentDescription = context.getString(R.string.comparison_description)
    }

    /** Shows a picture of [width] x [height] pixels, of which [overview] is a small form. */
    fun showPicture(overview: Bitmap, width: Int, height: Int) {
        if (this.overview === overview) return
        val first = this.overview == null && zoom > 0 // a restored place is kept
        this.overview = overview
        pictureWidth = width
        pictureHeight = height
        if (!first) {
            zoom = 0f
            place()
        } else {
            moveTo(centerX, centerY)
        }
        invalidate()
    }

    fun showComparison(comparison: Comparison?) {
        this.comparison = comparison
        invalidate()
    }

    /** Zooms to [wanted] screen pixels per picture pixel; what lies under ([x], [y]) stays there. */
    fun zoomTo(wanted: Float, x: Float = width / 2f, y: Float = height / 2f) {
        val (pictureX, pictureY) = centerX + (x - width / 2f) / zoom to centerY + (y - height / 2f) / zoom
        zoom = wanted.coerceIn(fit(), maxOf(fit(), mostZoom()))
        moveTo(pictureX - (x - width / 2f) / zoom, pictureY - (y - height / 2f) / zoom)
    }

    /** The place of the picture in the middle of the view. */
    fun center() = centerX to centerY

    /** What is on the screen, in whole pixels of the picture. */
    fun viewport(): Region {
        val (halfWidth, halfHeight) = width / 2f / zoom to height / 2f / zoom
        return Region(
            floor(centerX - halfWidth).toInt(), floor(centerY - halfHeight).toInt(),
            ceil(centerX + halfWidth).toInt(), ceil(centerY + halfHeight).toInt(),
        ).within(pictureWidth, pictureHeight)
    }

    override fun onSizeChanged(width: Int, height: Int, oldWidth: Int, oldHeight: Int) {
        label.textSize = LABEL * resources.displayMetrics.scaledDensityCompat
        while (pillWidth(resources.getString(R.string.super_resolution)) > width * 0.45f && label.textSize > 1) label.textSize *= 0.95f
        if (overview != null) place()
    }

    override fun onTouchEvent(event: MotionEvent): Boolean {
        if (overview == null || zoom == 0f) return false
        if (event.actionMasked == MotionEvent.ACTION_DOWN) {
            draggingDivider = abs(event.x - divider * width) < GRIP * density
            touched = true
            parent?.requestDisallowInterceptTouchEvent(true)
        }
        if (event.pointerCount > 1) draggingDivider = false
        if (draggingDivider && event.actionMasked == MotionEvent.ACTION_MOVE) divider = event.x / width
        scaling.onTouchEvent(event)
        moving.onTouchEvent(event)
        if (event.actionMasked == MotionEvent.ACTION_UP || event.actionMasked == MotionEvent.ACTION_CANCEL) {
            if (!draggingDivider) onViewport(viewport())
            draggingDivider = false
        }
        return true
    }

    override fun onDraw(canvas: Canvas) {
        val overview = overview ?: return
        val x = divider * width
        half(canvas, 0f, x, overview, comparison?.bicubic)
        half(canvas, x, width.toFloat(), overview, comparison?.upscaled)
        divider(canvas, x)
        labels(canvas, x)
    }

    private fun half(canvas: Canvas, from: Float, until: Float, overview: Bitmap, detail: Bitmap?) {
        if (until <= from) return
        canvas.save()
        canvas.clipRect(from, 0f, until, height.toFloat())
        comparison?.let { if (detail != null) draw(canvas, detail, it.region) }
        // Around it only: through a transparent picture it would show.
        comparison?.region?.let { canvas.clipOutRect(screenX(it.left), screenY(it.top), screenX(it.right), screenY(it.bottom)) }
        draw(canvas, overview, Region(0, 0, pictureWidth, pictureHeight))
        canvas.restore()
    }

    private fun screenX(x: Int) = width / 2f + (x - centerX) * zoom

    private fun screenY(y: Int) = height / 2f + (y - centerY) * zoom

    private fun draw(canvas: Canvas, bitmap: Bitmap, region: Region) {
        val (scaleX, scaleY) = region.width * zoom / bitmap.width to region.height * zoom / bitmap.height
        matrix.setScale(scaleX, scaleY)
        matrix.postTranslate(screenX(region.left), screenY(region.top))
        // From here on single pixels are looked at: they must be squares, not a third way of enlarging.
        canvas.drawBitmap(bitmap, matrix, if (scaleX >= SQUARES_FROM * density) squares else smooth)
    }

    private fun divider(canvas: Canvas, x: Float) {
        val (half, y) = density to height * 0.5f
        canvas.drawRect(x - 2 * half, 0f, x + 2 * half, height.toFloat(), shade)
        canvas.drawRect(x - half, 0f, x + half, height.toFloat(), line)
        canvas.drawCircle(x, y, 21 * density, shade)
        canvas.drawCircle(x, y, 20 * density, line)
        for (side in listOf(-1, 1)) {
            val arrow = Path()
            arrow.moveTo(x + side * 13 * density, y)
            arrow.lineTo(x + side * 6 * density, y - 6 * density)
            arrow.lineTo(x + side * 6 * density, y + 6 * density)
            arrow.close()
            canvas.drawPath(arrow, Paint(shade).apply { alpha = 255 })
        }
    }

    private fun labels(canvas: Canvas, x: Float) {
        val (left, right) = resources.getString(R.string.bicubic) to resources.getString(R.string.super_resolution)
        pill(canvas, left, 12 * density, 0f, x)
        pill(canvas, right, width - 12 * density - pillWidth(right), x, width.toFloat())
    }

    /** A name on its side of the divider, hidden by the other side. */
    private fun pill(canvas: Canvas, text: String, at: Float, from: Float, until: Float) {
        val (padding, tall) = 8 * density to label.textSize + 10 * density
        canvas.save()
        canvas.clipRect(from, 0f, until, height.toFloat())
        canvas.drawRoundRect(at, padding, at + pillWidth(text), padding + tall, tall / 2, tall / 2, shade)
        canvas.drawText(text, at + 1.5f * padding, padding + tall / 2 - (label.ascent() + label.descent()) / 2, label)
        canvas.restore()
    }

    private fun pillWidth(text: String) = label.measureText(text) + 24 * density

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
        if (touched) putFloatArray("place", floatArrayOf(zoom, centerX, centerY))
    }

    override fun onRestoreInstanceState(state: Parcelable?) {
        val bundle = state as? Bundle ?: return super.onRestoreInstanceState(state)
        @Suppress("DEPRECATION") // the typed form came with Android 13
        super.onRestoreInstanceState(bundle.getParcelable("view"))
        divider = bundle.getFloat("divider", 0.5f)
        bundle.getFloatArray("place")?.let { (savedZoom, x, y) ->
            zoom = savedZoom
            centerX = x
            centerY = y
            touched = true
        }
    }

    private fun place() {
        if (width == 0 || height == 0) return
        if (zoom == 0f || !touched) {
            zoom = fit()
            centerX = pictureWidth / 2f
            centerY = pictureHeight / 2f
        }
        zoomTo(zoom)
        onViewport(viewport())
    }

    /** Moves so that no side shows more emptiness than the picture's shape needs. */
    private fun moveTo(x: Float, y: Float) {
        if (zoom == 0f || width == 0) return
        centerX = kept(x, width / 2f / zoom, pictureWidth)
        centerY = kept(y, height / 2f / zoom, pictureHeight)
        invalidate()
    }

    private fun kept(center: Float, half: Float, length: Int) =
        if (2 * half >= length) length / 2f else center.coerceIn(half, length - half)

    private fun fit() = minOf(width.toFloat() / pictureWidth, height.toFloat() / pictureHeight)

    private fun mostZoom() = LARGEST_PIXEL * density * (comparison?.scale ?: 2)

    @Suppress("DEPRECATION") // exact enough for a label; its successor came with Android 14
    private val android.util.DisplayMetrics.scaledDensityCompat get() = scaledDensity

    private fun stateDescriptionChanged() {
        if (android.os.Build.VERSION.SDK_INT >= 30) stateDescription = resources.getString(R.string.divider_at, (divider * 100).toInt())
    }

    private companion object {
        const val LABEL = 14f // sp, or less where both names would not fit
        const val GRIP = 28f // dp at each side of the divider in which a finger takes it
        const val SQUARES_FROM = 2f // dp per pixel
        const val LARGEST_PIXEL = 24f // dp per pixel of the result at the strongest zoom
    }
}
