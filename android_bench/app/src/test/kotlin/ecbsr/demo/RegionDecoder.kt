package ecbsr.demo

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.BitmapRegionDecoder
import android.graphics.Rect
import java.io.File
import java.io.IOException
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.shadow.api.Shadow

/**
 * Replaces Robolectric's shadow, which returns empty pictures. It decodes the whole file with Android's decoder and
 * crops the region.
 */
@Implements(BitmapRegionDecoder::class)
class RegionDecoder {
    private lateinit var bytes: ByteArray
    private lateinit var bounds: BitmapFactory.Options
    private var whole: Bitmap? = null

    @Implementation
    fun getWidth() = bounds.outWidth

    @Implementation
    fun getHeight() = bounds.outHeight

    @Implementation
    fun decodeRegion(rect: Rect, options: BitmapFactory.Options): Bitmap? {
        if (options.inSampleSize > 1) return BitmapFactory.decodeByteArray(bytes, 0, bytes.size, options) // always the whole picture
        if (whole?.isPremultiplied != options.inPremultiplied) whole = BitmapFactory.decodeByteArray(bytes, 0, bytes.size, options)
        val argb = IntArray(rect.width() * rect.height())
        val bitmap = whole ?: return null
        bitmap.getPixels(argb, 0, rect.width(), rect.left, rect.top, rect.width(), rect.height())
        return Bitmap.createBitmap(rect.width(), rect.height(), Bitmap.Config.ARGB_8888).apply {
            setHasAlpha(bitmap.hasAlpha())
            isPremultiplied = bitmap.isPremultiplied
            setPixels(argb, 0, rect.width(), 0, 0, rect.width(), rect.height())
        }
    }

    @Implementation
    fun recycle() = Unit

    companion object {
        @JvmStatic
        @Implementation
        fun newInstance(path: String, @Suppress("UNUSED_PARAMETER") shareable: Boolean): BitmapRegionDecoder {
            val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
            BitmapFactory.decodeFile(path, bounds)
            if (bounds.outMimeType !in listOf("image/jpeg", "image/png", "image/webp")) throw IOException("the format has no region decoding")
            val decoder = Shadow.newInstanceOf(BitmapRegionDecoder::class.java)
            Shadow.extract<RegionDecoder>(decoder).also { it.bytes = File(path).readBytes(); it.bounds = bounds }
            return decoder
        }
    }
}
