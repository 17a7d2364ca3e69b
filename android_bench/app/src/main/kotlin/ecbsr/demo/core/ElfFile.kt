package ecbsr.demo.core

import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** Reads native libraries. Format: the ELF-64 and ELF-32 object file specification. */
object ElfFile {
    private const val MAGIC = 0x464c457f // "\x7fELF", little endian
    private const val PT_LOAD = 1

    /**
     * The alignment of a native library in bytes: the smallest of its loadable segments. A phone whose memory pages
     * are larger does not load it.
     *
     * @return null if the file is missing or not such a library.
     */
    fun alignment(library: File): Long? = try {
        RandomAccessFile(library, "r").use(::alignment)
    } catch (_: IOException) {
        null
    }

    private fun alignment(file: RandomAccessFile): Long? {
        val header = read(file, 0, 64)
        if (header.getInt(0) != MAGIC) return null
        val is64Bit = header.get(4).toInt() == 2
        val offset = if (is64Bit) header.getLong(32) else header.getInt(28).toLong()
        val size = header.getShort(if (is64Bit) 54 else 42).toInt()
        val count = header.getShort(if (is64Bit) 56 else 44).toInt()
        val segments = (0 until count).map { read(file, offset + it * size, size) }
        return segments.filter { it.getInt(0) == PT_LOAD }.minOfOrNull { if (is64Bit) it.getLong(48) else it.getInt(28).toLong() }
    }

    private fun read(file: RandomAccessFile, offset: Long, size: Int): ByteBuffer {
        val bytes = ByteArray(size)
        file.seek(offset)
        file.readFully(bytes)
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)
    }
}
