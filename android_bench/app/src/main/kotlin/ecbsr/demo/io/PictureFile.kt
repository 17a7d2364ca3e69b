package ecbsr.demo.io

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.BitmapRegionDecoder
import android.graphics.ColorSpace
import android.graphics.Rect
import android.media.ExifInterface
import ecbsr.demo.core.Orientation
import ecbsr.demo.core.Pixels
import ecbsr.demo.core.PixelSource
import ecbsr.demo.core.Region
import ecbsr.demo.core.UserFacingException
import java.io.Closeable
import java.io.File
import java.io.IOException

/**
 * An upright picture from a file. Regions are decoded on demand, so that the phone's memory does not limit the size.
 *
 * @property name the display name.
 */
class PictureFile private constructor(
    val name: String,
    private val decoder: BitmapRegionDecoder?,
    private val decoded: Bitmap?,
    private val orientation: Orientation,
) : PixelSource, Closeable {
    private val storedWidth = decoder?.width ?: decoded!!.width
    private val storedHeight = decoder?.height ?: decoded!!.height
    override val width = orientation.uprightWidth(storedWidth, storedHeight)
    override val height = orientation.uprightHeight(storedWidth, storedHeight)

    /** The whole picture, downsampled to at most [OVERVIEW_SIDE] pixels on a side. */
    val overview: Bitmap = overview()
    val hasAlpha = overview.hasAlpha()

    override fun read(region: Region): Pixels {
        val stored = orientation.stored(region, storedWidth, storedHeight)
        val rect = Rect(stored.left, stored.top, stored.right, stored.bottom)
        val bitmap = decoder?.let { decode(it, rect, options(premultiplied = false)) }
        val pixels = bitmap?.toPixels() ?: decoded!!.toPixels(stored.left, stored.top, stored.width, stored.height)
        bitmap?.recycle()
        return orientation.upright(pixels)
    }

    override fun close() {
        decoder?.recycle()
    }

    private fun overview(): Bitmap {
        val longest = maxOf(storedWidth, storedHeight)
        val sample = generateSequence(1) { it * 2 }.first { longest / it <= OVERVIEW_SIDE }
        val bitmap = decoder?.let {
            decode(it, Rect(0, 0, storedWidth, storedHeight), options(premultiplied = true).apply { inSampleSize = sample })
        }
        val pixels = bitmap?.toPixels() ?: subsampled(decoded!!, sample)
        return orientation.upright(pixels).toBitmap().apply { setHasAlpha((bitmap ?: decoded!!).hasAlpha()) }
    }

    /** Every [step]th pixel of every [step]th row. */
    private fun subsampled(bitmap: Bitmap, step: Int): Pixels {
        val row = IntArray(bitmap.width)
        return Pixels.build((bitmap.width + step - 1) / step, (bitmap.height + step - 1) / step) { x, y ->
            if (x == 0) bitmap.getPixels(row, 0, bitmap.width, 0, y * step, bitmap.width, 1)
            row[x * step]
        }
    }

    companion object {
        private const val OVERVIEW_SIDE = 2048
        private const val MAX_DECODED_PIXELS = 24_000_000 // for formats without region decoding, such as GIF

        /** @throws UserFacingException when the phone cannot read the file as a picture. */
        fun open(file: File, name: String): PictureFile {
            if (file.length() == 0L) throw UserFacingException("The picture is empty.")
            val orientation = Orientation.of(exifOrientation(file))
            val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
            BitmapFactory.decodeFile(file.path, bounds)
            if (bounds.outWidth <= 0) throw UserFacingException("The file is not a picture that this phone can read.")
            try {
                @Suppress("DEPRECATION") // the replacement needs Android 12
                val decoder = BitmapRegionDecoder.newInstance(file.path, false)
                if (decoder != null) return PictureFile(name, decoder, null, orientation)
            } catch (_: IOException) {
                // The format has no region decoding. The whole picture is decoded below.
            }
            if (bounds.outWidth.toLong() * bounds.outHeight > MAX_DECODED_PIXELS) {
                throw UserFacingException("${bounds.outWidth}x${bounds.outHeight} is too large for this format: use JPEG, PNG or WebP.")
            }
            val decoded = BitmapFactory.decodeFile(file.path, options(premultiplied = false)) ?: throw damaged()
            return PictureFile(name, null, decoded, orientation)
        }

        private fun options(premultiplied: Boolean) = BitmapFactory.Options().apply {
            inPreferredConfig = Bitmap.Config.ARGB_8888
            inPreferredColorSpace = ColorSpace.get(ColorSpace.Named.SRGB)
            inPremultiplied = premultiplied
        }

        private fun decode(decoder: BitmapRegionDecoder, rect: Rect, options: BitmapFactory.Options): Bitmap = try {
            decoder.decodeRegion(rect, options)
        } catch (error: IllegalArgumentException) {
            throw damaged(error)
        } ?: throw damaged()

        private fun damaged(cause: Throwable? = null) = UserFacingException("The picture is damaged or incomplete.", cause)

        private fun exifOrientation(file: File) = try {
            ExifInterface(file.path).getAttributeInt(ExifInterface.TAG_ORIENTATION, 1)
        } catch (_: IOException) {
            1 // the format has no EXIF
        }
    }
}
