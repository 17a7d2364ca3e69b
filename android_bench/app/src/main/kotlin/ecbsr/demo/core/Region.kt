package ecbsr.demo.core

/** A rectangle of pixels; [right] and [bottom] are exclusive. */
data class Region(val left: Int, val top: Int, val right: Int, val bottom: Int) {
    val width get() = right - left
    val height get() = bottom - top

    operator fun contains(other: Region) =
        left <= other.left && top <= other.top && right >= other.right && bottom >= other.bottom

    /** The part of this rectangle inside a picture of [width] x [height]. */
    fun within(width: Int, height: Int) =
        Region(left.coerceIn(0, width), top.coerceIn(0, height), right.coerceIn(0, width), bottom.coerceIn(0, height))
}
