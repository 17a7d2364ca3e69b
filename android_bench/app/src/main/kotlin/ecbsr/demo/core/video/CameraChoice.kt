package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import kotlin.math.abs

/** What to take of what a camera offers. */
object CameraChoice {
    /** More pixels than 540p leave a phone no time for the model. */
    private const val MAX_PIXELS = 960 * 540
    private const val RATE = 30

    /** The largest size of at most 960x540 pixels, or else the smallest; of several, the one next to 16:9. */
    fun size(offered: List<Size>): Size? {
        val small = offered.filter { it.pixels <= MAX_PIXELS }
        if (small.isEmpty()) return offered.minByOrNull { it.pixels }
        return small.maxWithOrNull(compareBy({ it.pixels }, { -abs(it.width * 9 - it.height * 16) }))
    }

    /** The range of frame rates that is nearest to a constant 30 per second. */
    fun rates(offered: List<IntRange>): IntRange? =
        offered.minWithOrNull(compareBy({ abs(it.last - RATE) }, { it.last - it.first }))

    /**
     * Clockwise, from the stored to the upright picture.
     *
     * @param sensor the orientation of the sensor in the phone.
     * @param display the rotation of the screen's content.
     * @param isFront whether the camera looks at the user, so that both turn in opposite directions.
     */
    fun rotation(sensor: Int, display: Int, isFront: Boolean) = (sensor + if (isFront) display else 360 - display) % 360
}
