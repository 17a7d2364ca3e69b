package ecbsr.demo.core

import java.util.Locale

/** The real values of black and white in a tensor of floats; the most common first. */
enum class ValueRange(val black: Float, val white: Float) {
    UNIT(0f, 1f),
    BYTES(0f, 255f),
    SIGNED(-1f, 1f);

    val text get() = "%.0f..%.0f".format(Locale.ENGLISH, black, white)
}
