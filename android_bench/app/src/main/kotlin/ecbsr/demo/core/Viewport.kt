package ecbsr.demo.core

import kotlin.math.ceil
import kotlin.math.floor

/**
 * The part of a picture that a view shows. Picture coordinates are in low-resolution pixels; [zoom] is the number of
 * screen pixels per such pixel, and 0 while the view or the picture has no size.
 *
 * @property maxZoom the largest zoom, unless the whole picture needs a larger one.
 */
class Viewport(var maxZoom: Float) {
    var width = 0
        private set
    var height = 0
        private set
    var pictureWidth = 1
        private set
    var pictureHeight = 1
        private set
    var zoom = 0f
        private set
    var centerX = 0f
        private set
    var centerY = 0f
        private set

    fun copy() = Viewport(maxZoom).also {
        it.setView(width, height)
        it.setPicture(pictureWidth, pictureHeight)
        it.restore(zoom, centerX, centerY)
    }

    /** The zoom at which the whole picture fits. */
    val minZoom get() = minOf(width.toFloat() / pictureWidth, height.toFloat() / pictureHeight)

    /** The visible region, in whole pixels of the picture. */
    val region: Region
        get() {
            val halfWidth = width / 2f / zoom
            val halfHeight = height / 2f / zoom
            return Region(
                floor(centerX - halfWidth).toInt(), floor(centerY - halfHeight).toInt(),
                ceil(centerX + halfWidth).toInt(), ceil(centerY + halfHeight).toInt(),
            ).within(pictureWidth, pictureHeight)
        }

    fun setView(width: Int, height: Int) {
        this.width = width
        this.height = height
    }

    fun setPicture(width: Int, height: Int) {
        pictureWidth = width
        pictureHeight = height
    }

    /** Shows the whole picture. */
    fun fit() {
        if (width == 0 || height == 0) return
        zoom = minZoom
        centerX = pictureWidth / 2f
        centerY = pictureHeight / 2f
    }

    fun restore(zoom: Float, centerX: Float, centerY: Float) {
        this.zoom = zoom
        this.centerX = centerX
        this.centerY = centerY
    }

    /** Zooms around the screen position ([x], [y]). */
    fun zoomTo(newZoom: Float, x: Float = width / 2f, y: Float = height / 2f) {
        val pictureX = centerX + (x - width / 2f) / zoom
        val pictureY = centerY + (y - height / 2f) / zoom
        zoom = newZoom.coerceIn(minZoom, maxOf(minZoom, maxZoom))
        moveTo(pictureX - (x - width / 2f) / zoom, pictureY - (y - height / 2f) / zoom)
    }

    /** Moves the center to ([x], [y]), with as little empty space around the picture as possible. */
    fun moveTo(x: Float, y: Float) {
        if (zoom == 0f || width == 0) return
        centerX = clamped(x, width / 2f / zoom, pictureWidth)
        centerY = clamped(y, height / 2f / zoom, pictureHeight)
    }

    fun screenX(x: Int) = width / 2f + (x - centerX) * zoom

    fun screenY(y: Int) = height / 2f + (y - centerY) * zoom

    private fun clamped(center: Float, halfView: Float, length: Int) =
        if (2 * halfView >= length) length / 2f else center.coerceIn(halfView, length - halfView)
}
