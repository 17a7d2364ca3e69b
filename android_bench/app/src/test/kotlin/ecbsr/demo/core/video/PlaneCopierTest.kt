package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException
import java.nio.ByteBuffer
import java.util.Random
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class PlaneCopierTest {
    private val random = Random(7)

    /** Planes as phones give them: packed or padded rows, U and V alternating, and a last row without padding. */
    @Test
    fun removesPaddingAndStrides() {
        for (size in listOf(Size(1, 1), Size(5, 3), Size(64, 36))) for (pixelStride in 1..2) for (padding in listOf(0, 1, 48)) {
            for (isShort in listOf(false, true)) {
                val values = ByteArray(size.pixels).also(random::nextBytes)
                val (plane, rowStride) = plane(values, size, pixelStride, padding, isShort)
                val target = ByteBuffer.allocateDirect(size.pixels)
                PlaneCopier().copy(plane, rowStride, pixelStride, size, target)
                assertArrayEquals("$size $pixelStride $padding $isShort", values, target.content())
            }
        }
    }

    /** The buffers of a decoder can be larger than the picture: its crop rectangle says where that is. */
    @Test
    fun copiesTheCropRectangle() {
        val stored = Size(16, 8)
        val values = ByteArray(stored.pixels).also(random::nextBytes)
        val (plane, rowStride) = plane(values, stored, 2, 3, isShort = true)
        val target = ByteBuffer.allocateDirect(10 * 5)
        PlaneCopier().copy(plane, rowStride, 2, Size(10, 5), target, left = 4, top = 3)
        assertArrayEquals(ByteArray(50) { values[(3 + it / 10) * 16 + 4 + it % 10] }, target.content())
    }

    @Test
    fun rejectsAPlaneThatIsTooSmall() {
        for ((bytes, rowStride, pixelStride) in listOf(Triple(63, 8, 1), Triple(64, 9, 1), Triple(100, 16, 2), Triple(64, 8, 0))) {
            val target = ByteBuffer.allocateDirect(64)
            assertThrows("$bytes", UserFacingException::class.java) {
                PlaneCopier().copy(ByteBuffer.allocateDirect(bytes), rowStride, pixelStride, Size(8, 8), target)
            }
        }
    }

    private fun plane(values: ByteArray, size: Size, pixelStride: Int, padding: Int, isShort: Boolean): Pair<ByteBuffer, Int> {
        val rowStride = size.width * pixelStride + padding
        val bytes = ByteArray(rowStride * size.height).also(random::nextBytes)
        for (i in values.indices) bytes[i / size.width * rowStride + i % size.width * pixelStride] = values[i]
        val length = if (isShort) (size.height - 1) * rowStride + (size.width - 1) * pixelStride + 1 else bytes.size
        return ByteBuffer.allocateDirect(length).apply { put(bytes, 0, length); flip() } to rowStride
    }
}
