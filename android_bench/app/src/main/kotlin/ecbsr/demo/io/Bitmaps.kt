package ecbsr.demo.io

import android.graphics.Bitmap
import ecbsr.demo.core.Pixels

fun Pixels.toBitmap(): Bitmap = Bitmap.createBitmap(argb, width, height, Bitmap.Config.ARGB_8888)

fun Bitmap.toPixels() = toPixels(0, 0, width, height)

fun Bitmap.toPixels(left: Int, top: Int, width: Int, height: Int): Pixels {
    val argb = IntArray(width * height)
    getPixels(argb, 0, width, left, top, width, height)
    return Pixels(width, height, argb)
}
