package ecbsr.demo.core

import java.nio.ByteBuffer

/**
 * A table of a FlatBuffer. Every offset is checked, because the file is untrusted.
 * The number of a field is its position in the schema. Format: https://flatbuffers.dev/internals/
 *
 * @param buffer the file in little-endian order, from its first byte on.
 */
internal class FlatTable(private val buffer: ByteBuffer, private val position: Int) {
    private val vtable = position - int32(position)
    private val vtableSize = uint16(vtable)

    fun int(field: Int, default: Int = 0) = offset(field)?.let { int32(it) } ?: default

    fun byte(field: Int, default: Int = 0) = offset(field)?.let { byteAt(it).toInt() } ?: default

    fun long(field: Int): Long = offset(field)?.let { int64(it) } ?: 0

    fun table(field: Int): FlatTable? = offset(field)?.let { FlatTable(buffer, follow(it)) }

    fun tables(field: Int): List<FlatTable> = vector(field, 4) { FlatTable(buffer, follow(it)) }

    fun ints(field: Int): List<Int> = vector(field, 4) { int32(it) }

    fun floats(field: Int): List<Float> = vector(field, 4) { Float.fromBits(int32(it)) }

    fun longs(field: Int): List<Long> = vector(field, 8) { int64(it) }

    fun text(field: Int): String? = bytes(field)?.toString(Charsets.UTF_8)

    fun bytes(field: Int): ByteArray? {
        val start = vectorStart(field) ?: return null
        val out = ByteArray(length(start, 1))
        buffer.duplicate().apply { position(start + 4) }.get(out)
        return out
    }

    /** The length of a vector of bytes. */
    fun byteCount(field: Int): Int = vectorStart(field)?.let { length(it, 1) } ?: 0

    /** The offset of the first element of a vector in the file, or null. */
    fun vectorOffset(field: Int): Int? = vectorStart(field)?.plus(4)

    private fun offset(field: Int): Int? {
        val slot = 4 + 2 * field
        if (slot + 2 > vtableSize) return null
        return uint16(vtable + slot).takeIf { it != 0 }?.let { position + it }
    }

    private fun vectorStart(field: Int) = offset(field)?.let { follow(it) }

    private fun <T> vector(field: Int, elementSize: Int, read: (Int) -> T): List<T> {
        val start = vectorStart(field) ?: return emptyList()
        return List(length(start, elementSize)) { read(start + 4 + it * elementSize) }
    }

    private fun length(start: Int, elementSize: Int): Int {
        val count = int32(start)
        if (count < 0 || count.toLong() * elementSize > buffer.limit() - start - 4L) throw MalformedException()
        return count
    }

    private fun follow(at: Int): Int {
        val target = at + (int32(at).toLong() and 0xffffffffL)
        if (target > buffer.limit() - 4) throw MalformedException()
        return target.toInt()
    }

    private fun int32(at: Int): Int = if (at in 0..buffer.limit() - 4) buffer.getInt(at) else throw MalformedException()

    private fun int64(at: Int): Long = if (at in 0..buffer.limit() - 8) buffer.getLong(at) else throw MalformedException()

    private fun uint16(at: Int): Int = if (at in 0..buffer.limit() - 2) buffer.getShort(at).toInt() and 0xffff else throw MalformedException()

    private fun byteAt(at: Int): Byte = if (at in 0 until buffer.limit()) buffer.get(at) else throw MalformedException()

    /** An offset of the FlatBuffer points outside the file. */
    class MalformedException : Exception()

    companion object {
        /** The root table of a file. */
        fun root(buffer: ByteBuffer): FlatTable =
            if (buffer.limit() >= 4) FlatTable(buffer, buffer.getInt(0)) else throw MalformedException()
    }
}
