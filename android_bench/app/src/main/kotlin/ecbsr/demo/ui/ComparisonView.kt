package ecbsr.demo.ui

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Matrix
import android.graphics.Paint
import android.util.AttributeSet
import ecbsr.demo.Comparison
import ecbsr.demo.core.Region

/** A picture with bicubic upscaling left of a divider and super-resolution right of it. */
class ComparisonView(context: Context, attributes: AttributeSet?) : DividedView(context, attributes) {
    private var overview: Bitmap? = null
    private var comparison: Comparison? = null
    private val bilinear = Paint(Paint.FILTER_BITMAP_FLAG)
    private val nearest = Paint().apply { isFilterBitmap = false } // the default is true since Android 10
    private val matrix = Matrix()

    override val hasPicture get() = overview != null

    /** Shows a picture of [width] x [height] pixels with its downsampled [overview]. */
    fun showPicture(overview: Bitmap, width: Int, height: Int) {
        if (this.overview === overview) return
        val isFirst = this.overview == null
        this.overview = overview
        setPicture(width, height, isFirst = isFirst)
    }

    fun showComparison(comparison: Comparison?) {
        this.comparison = comparison
        setScale(comparison?.scale ?: 2)
        invalidate()
    }

    override fun drawSides(canvas: Canvas, x: Float) {
        drawSide(canvas, 0f, x, comparison?.bicubic)
        drawSide(canvas, x, width.toFloat(), comparison?.superResolution)
    }

    private fun drawSide(canvas: Canvas, left: Float, right: Float, upscaled: Bitmap?) {
        if (right <= left) return
        canvas.save()
        canvas.clipRect(left, 0f, right, height.toFloat())
        comparison?.region?.let {
            if (upscaled != null) drawRegion(canvas, upscaled, it)
            // The overview would be visible through a transparent picture.
            canvas.clipOutRect(position.screenX(it.left), position.screenY(it.top), position.screenX(it.right), position.screenY(it.bottom))
        }
        drawRegion(canvas, overview!!, Region(0, 0, position.pictureWidth, position.pictureHeight))
        canvas.restore()
    }

    private fun drawRegion(canvas: Canvas, bitmap: Bitmap, region: Region) {
        val scaleX = region.width * zoom / bitmap.width
        matrix.setScale(scaleX, region.height * zoom / bitmap.height)
        matrix.postTranslate(position.screenX(region.left), position.screenY(region.top))
        canvas.drawBitmap(bitmap, matrix, if (scaleX >= NEAREST_FROM * density) nearest else bilinear)
    }
}
