package ecbsr.demo.core

import java.io.DataOutputStream
import java.io.OutputStream
import java.nio.ByteBuffer
import java.util.zip.CRC32
import java.util.zip.Deflater

/**
 * Writes a PNG row by row, so that the picture can be larger than memory. The format is RGB or RGBA with 8 bits per
 * channel (PNG specification, third edition, https://www.w3.org/TR/png-3/).
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
        val header = ByteBuffer.allocate(13).putInt(width).putInt(height)
        header.put(8).put(if (alpha) 6 else 2).put(0).put(0).put(0)
        writeChunk("IHDR", header.array(), 13)
    }

    /** Writes the next [count] rows of ARGB pixels. */
    fun writeRows(argb: IntArray, count: Int) {
        for (y in 0 until count) writeRow(argb, y * width)
    }

    /** Completes the file. The file is a valid PNG only if all rows are written. */
    override fun close() {
        try {
            if (written == height) {
                deflater.finish()
                writeCompressed()
                writeChunk("IEND", ByteArray(0), 0)
                out.flush()
            }
        } finally {
            deflater.end()
            out.close()
        }
    }

    private fun writeRow(argb: IntArray, from: Int) {
        check(written < height) { "more than $height rows" }
        var i = 0
        for (x in from until from + width) {
            val pixel = argb[x]
            row[i++] = (pixel shr 16).toByte()
            row[i++] = (pixel shr 8).toByte()
            row[i++] = pixel.toByte()
            if (alpha) row[i++] = (pixel ushr 24).toByte()
        }
        filtered[0] = UP
        for (j in row.indices) filtered[1 + j] = (row[j] - above[j]).toByte()
        deflater.setInput(filtered)
        writeCompressed()
        row = above.also { above = row }
        written++
    }

    private fun writeCompressed() {
        while (true) {
            val count = deflater.deflate(compressed)
            if (count == 0) return
            writeChunk("IDAT", compressed, count)
        }
    }

    private fun writeChunk(type: String, data: ByteArray, count: Int) {
        val name = type.toByteArray(Charsets.US_ASCII)
        val crc = CRC32().apply { update(name); update(data, 0, count) }
        out.writeInt(count)
        out.write(name)
        out.write(data, 0, count)
        out.writeInt(crc.value.toInt())
    }

    private companion object {
        /** The difference from the byte above: fast, and effective for upscaled pictures. */
        const val UP: Byte = 2
    }
}
