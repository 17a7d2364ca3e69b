package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException
import java.nio.ByteBuffer

/** Copies the planes of a camera or a decoder. The instance is used by one thread. */
class PlaneCopier {
    private var row = ByteArray(0)
    private var packed = ByteArray(0)

    /**
     * Copies a plane to [target], which gets no padding.
     *
     * @param rowStride the distance of rows in bytes; rows can be padded, and the last one can end early.
     * @param pixelStride the distance of values in bytes: 2 where U and V alternate in memory.
     * @param left the first column to copy.
     * @param top the first row to copy.
     * @throws UserFacingException when the plane is too small.
     */
    fun copy(source: ByteBuffer, rowStride: Int, pixelStride: Int, size: Size, target: ByteBuffer, left: Int = 0, top: Int = 0) {
        val (width, height) = size
        val used = (width - 1) * pixelStride + 1 // the last row can end here, before its stride
        val bytes = source.duplicate()
        if (pixelStride < 1 || (top + height - 1L) * rowStride + left * pixelStride + used > bytes.limit()) {
            throw UserFacingException("The camera or decoder gives a picture that is smaller than $size.")
        }
        if (row.size < used) row = ByteArray(used)
        if (packed.size < width) packed = ByteArray(width)
        target.clear()
        for (y in top until top + height) {
            bytes.position(y * rowStride + left * pixelStride)
            bytes.get(row, 0, used)
            if (pixelStride == 1) {
                target.put(row, 0, width)
            } else {
                for (x in 0 until width) packed[x] = row[x * pixelStride]
                target.put(packed, 0, width)
            }
        }
        target.flip()
    }
}
