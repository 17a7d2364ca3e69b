package ecbsr.demo.core

import java.io.DataOutputStream
import java.io.OutputStream
import java.util.zip.CRC32
import java.util.zip.Deflater

/**
 * Writes a PNG row by row, so that a picture larger than memory can be saved. 8 bits a channel, RGB or RGBA
 * (PNG specification, third edition, https://www.w3.org/TR/png-3/).
 */
class PngWriter(output: OutputStream, private val width: Int, private val height: Int, private val alpha: Boolean) : AutoCloseable {
    private val out = DataOutputStream(output)
    private val deflater = Deflater(Deflater.BEST_SPEED)
    private val channels = if (alpha) 4 else 3
    private var above = ByteArray(width * channels)
    private var row = ByteArray(width * channels)
    private val filtered = ByteArray(1 + width * channels)
    private val compressed = ByteArray(64 * 1024)
    private var written = 0

    init {
        out.write(byteArrayOf(0x89.toByte(), 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a))
        val header = java.nio.ByteBuffer.allocate(13).putInt(width).putInt(height)
        header.put(8).put(if (alpha) 6 else 2).put(0).put(0).put(0)
        chunk("IHDR", header.array(), 13)
    }

    /** The next [count] rows, packed as in [Pixels]. */
    fun rows(argb: IntArray, count: Int) {
        for (y in 0 until count) row(argb, y * width)
    }

    /** Ends the file. A file that was not closed after its last row is not a PNG. */
    override fun close() {
        try {
            if (written == height) {
                deflater.finish()
                drain()
                chunk("IEND", ByteArray(0), 0)
                out.flush()
            }
        } finally {
            deflater.end()
            out.close()
        }
    }

    private fun row(argb: IntArray, from: Int) {
        check(written < height) { "more than $height rows" }
        var at = 0
        for (x in from until from + width) {
            val pixel = argb[x]
            row[at++] = (pixel shr 16).toByte()
            row[at++] = (pixel shr 8).toByte()
            row[at++] = pixel.toByte()
            if (alpha) row[at++] = (pixel ushr 24).toByte()
        }
        filtered[0] = UP
        for (i in row.indices) filtered[1 + i] = (row[i] - above[i]).toByte()
        deflater.setInput(filtered)
        drain()
        row = above.also { above = row }
        written++
    }

    private fun drain() {
        while (true) {
            val count = deflater.deflate(compressed)
            if (count == 0) return
            chunk("IDAT", compressed, count)
        }
    }

    private fun chunk(type: String, data: ByteArray, count: Int) {
        val name = type.toByteArray(Charsets.US_ASCII)
        val crc = CRC32().apply { update(name); update(data, 0, count) }
        out.writeInt(count)
        out.write(name)
        out.write(data, 0, count)
        out.writeInt(crc.value.toInt())
    }

    private companion object {
        /** Each byte as its difference from the one above: cheap, and good for enlarged pictures. */
        const val UP: Byte = 2
    }
}
