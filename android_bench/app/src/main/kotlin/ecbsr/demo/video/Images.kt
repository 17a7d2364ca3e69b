package ecbsr.demo.video

import android.media.Image
import ecbsr.demo.core.Size
import ecbsr.demo.core.video.PlaneCopier
import ecbsr.demo.core.video.YuvFrame

/** The size of the visible part of a `YUV_420_888` image. */
val Image.visibleSize get() = Size(cropRect.width(), cropRect.height())

/** Copies the visible part of a `YUV_420_888` image. */
fun Image.copyTo(frame: YuvFrame, copier: PlaneCopier) {
    val (left, top) = cropRect.left to cropRect.top
    for ((plane, target) in planes.zip(listOf(frame.y, frame.u, frame.v))) {
        val isLuma = target === frame.y
        val size = if (isLuma) frame.size else frame.chromaSize
        val divisor = if (isLuma) 1 else 2
        copier.copy(plane.buffer, plane.rowStride, plane.pixelStride, size, target, left / divisor, top / divisor)
    }
}
