package ecbsr.demo.core

import java.io.Serializable

/** A width and a height in pixels. */
data class Size(val width: Int, val height: Int) : Serializable {
    val pixels get() = width * height

    operator fun times(scale: Int) = Size(width * scale, height * scale)

    override fun toString() = "${width}x$height"
}
