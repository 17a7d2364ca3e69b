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
import ecbsr.demo.core.Refused
import ecbsr.demo.core.Region
import java.io.Closeable
import java.io.File
import java.io.IOException

/** A picture in a file, upright, decoded in parts so that a photo of any size fits the phone's memory. */
class PictureFile private constructor(
    private val decoder: BitmapRegionDecoder?,
    private val decoded: Bitmap?,
    private val orientation: Orientation,
) : PixelSource, Closeable {
    private val storedWidth = decoder?.width ?: decoded!!.width
    private val storedHeight = decoder?.height ?: decoded!!.height
    override val width = orientation.uprightWidth(storedWidth, storedHeight)
    override val height = orientation.uprightHeight(storedWidth, storedHeight)

    /** A small form of the whole picture, at most [OVERVIEW] pixels on a side. */
    val overview: Bitmap = overview()
    override val hasAlpha = overview.hasAlpha()

    override fun read(region: Region): Pixels {
        val there = orientation.stored(region, storedWidth, storedHeight)
        val part = decoder?.let { decode(it, there.rect(), options(premultiplied = false)) }
        val argb = IntArray(there.width * there.height)
        if (part != null) {
            part.getPixels(argb, 0, there.width, 0, 0, there.width, there.height)
            part.recycle()
        } else {
            decoded!!.getPixels(argb, 0, there.width, there.left, there.top, there.width, there.height)
        }
        return orientation.upright(Pixels(there.width, there.height, argb))
    }

    override fun close() {
        decoder?.recycle()
    }

    private fun overview(): Bitmap {
        val longest = maxOf(storedWidth, storedHeight)
        val sample = generateSequence(1) { it * 2 }.first { longest / it <= OVERVIEW }
        val stored = decoder?.let { decode(it, Rect(0, 0, storedWidth, storedHeight), options(true).apply { inSampleSize = sample }) }
        val pixels = stored?.sampled(1) ?: decoded!!.sampled(sample)
        return orientation.upright(pixels).toBitmap().apply { setHasAlpha((stored ?: decoded!!).hasAlpha()) }
    }

    /** Every [step]th pixel each way. */
    private fun Bitmap.sampled(step: Int): Pixels {
        val (across, down) = (width + step - 1) / step to (height + step - 1) / step
        val (argb, row) = IntArray(across * down) to IntArray(width)
        for (y in 0 until down) {
            getPixels(row, 0, width, 0, y * step, width, 1)
            for (x in 0 until across) argb[y * across + x] = row[x * step]
        }
        return Pixels(across, down, argb)
    }

    companion object {
        const val OVERVIEW = 2048
        private const val MOST_PIXELS_AT_ONCE = 24_000_000 // formats that cannot be decoded in parts, such as GIF

        /** @throws Refused when the file is not a picture that the phone can read. */
        fun open(file: File): PictureFile {
            if (file.length() == 0L) throw Refused("The picture is empty.")
            val orientation = Orientation.of(exif(file))
            val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
            BitmapFactory.decodeFile(file.path, bounds)
            if (bounds.outWidth <= 0) throw Refused("The file is not a picture that this phone can read.")
            try {
                @Suppress("DEPRECATION") // its successor came with Android 12
                val decoder = BitmapRegionDecoder.newInstance(file.path, false)
                if (decoder != null) return PictureFile(decoder, null, orientation)
            } catch (_: IOException) {
                // A format without parts: tried as a whole.
            }
            if (bounds.outWidth.toLong() * bounds.outHeight > MOST_PIXELS_AT_ONCE) {
                throw Refused("${bounds.outWidth}x${bounds.outHeight} is too large for this format: use JPEG, PNG or WebP.")
            }
            val whole = BitmapFactory.decodeFile(file.path, options(premultiplied = false))
                ?: throw Refused("The picture is damaged, or only part of a file.")
            return PictureFile(null, whole, orientation)
        }

        private fun options(premultiplied: Boolean) = BitmapFactory.Options().apply {
            inPreferredConfig = Bitmap.Config.ARGB_8888
            inPreferredColorSpace = ColorSpace.get(ColorSpace.Named.SRGB)
            inPremultiplied = premultiplied
        }

        private fun decode(decoder: BitmapRegionDecoder, rect: Rect, options: BitmapFactory.Options): Bitmap = try {
            decoder.decodeRegion(rect, options)
        } catch (error: IllegalArgumentException) {
            throw Refused("The picture is damaged, or only part of a file.", error)
        } ?: throw Refused("The picture is damaged, or only part of a file.")

        private fun exif(file: File) = try {
            ExifInterface(file.path).getAttributeInt(ExifInterface.TAG_ORIENTATION, 1)
        } catch (_: IOException) {
            1 // no EXIF in this format
        }
    }
}

fun Pixels.toBitmap(): Bitmap = Bitmap.createBitmap(argb, width, height, Bitmap.Config.ARGB_8888)

private fun Region.rect() = Rect(left, top, right, bottom)
