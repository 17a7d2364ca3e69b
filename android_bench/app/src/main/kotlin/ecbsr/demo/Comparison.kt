package ecbsr.demo

import android.graphics.Bitmap
import ecbsr.demo.core.Region

/** The same [region] of the picture, upscaled [scale] times by bicubic and by the model. */
class Comparison(val region: Region, val scale: Int, val bicubic: Bitmap, val superResolution: Bitmap)
