package ecbsr.demo.core

import kotlin.math.abs
import kotlin.math.log10

/**
 * The values of a float file that does not state them, and the PSNR in dB of the sample picture, reduced and upscaled
 * again with them, beside that of bicubic.
 */
data class Reading(val input: ValueRange, val output: ValueRange, val psnr: Double, val bicubicPsnr: Double) {
    /** Whether the result is near bicubic or better: the network is trained for this, and read rightly. */
    val isGood get() = psnr >= bicubicPsnr - MUCH_LESS_DB

    /** Whether the result is a picture at all. */
    internal val isPicture get() = psnr >= bicubicPsnr - PICTURE_DB

    private companion object {
        const val MUCH_LESS_DB = 1.0
        const val PICTURE_DB = 4.0
    }
}

/**
 * Finds the values of a float file that does not state them, as `ecbsr upscale` does: the ones with which the model
 * restores a picture best. 0..1 is assumed unless others are clearly better.
 *
 * @param sample a picture with details.
 */
class RangeProbe(private val engines: EngineFactory, sample: () -> Pixels) {
    private val sample by lazy(sample)

    /** The model with its values; itself where the file states them, or the runtime rejects it. */
    fun settled(model: SrModel): SrModel {
        if (!model.isRangeUnknown) return model
        val size = model.fixedSize ?: Size(96, 64)
        if (size.pixels.toLong() * model.scale * model.scale * model.channels > MAX_VALUES) return model
        return try {
            model.withReading(best(readings(model, size)))
        } catch (_: UserFacingException) {
            model // the same happens when the model is used, and is shown then
        }
    }

    /** The reading of 0..1 first, then those with one range for both, then mixed ones. */
    private fun readings(model: SrModel, size: Size): List<Reading> {
        val high = sample.repeated(size * model.scale)
        val low = high.reduced(model.scale)
        val truth = model.inputPlanes(high.argb)
        val bicubic = Bicubic(model.scale)
        val planes = model.inputPlanes(low.argb)
        val bicubicPsnr = psnr(planes.map { bicubic.upscale(it, size.width, size.height) }, truth)
        val readings = mutableListOf<Reading>()
        engines.open(model.resized(size), Backend.Cpu(threads = 4)).use { engine ->
            val input = model.inputBuffer(size)
            val output = model.outputBuffer(size)
            for (stored in ranges(model.input)) {
                model.with(stored, ValueRange.UNIT).input.write(planes, input)
                output.rewind()
                engine.run(input, output)
                readings += ranges(model.output).map { result ->
                    Reading(stored, result, psnr(model.with(stored, result).outputPlanes(output, size), truth), bicubicPsnr)
                }
            }
        }
        return readings.sortedBy { it.input != it.output }
    }

    private fun ranges(format: TensorFormat) = if (format.type == TensorFormat.FLOAT32) ValueRange.entries else listOf(ValueRange.UNIT)

    private fun SrModel.with(stored: ValueRange, result: ValueRange) = withReading(Reading(stored, result, 0.0, 0.0))

    private fun best(readings: List<Reading>): Reading {
        val assumed = readings.first()
        var chosen = assumed
        for (reading in readings.drop(1)) {
            if (abs(reading.psnr - assumed.psnr) < SAME_DB) continue // a linear network gives the same in any range
            if (reading.psnr > assumed.psnr + needed(reading) && (chosen === assumed || reading.psnr > chosen.psnr + CLEARLY_DB)) chosen = reading
        }
        return chosen
    }

    /** How many dB better than the assumed one a reading has to be. */
    private fun needed(reading: Reading) = when {
        !reading.isPicture -> Double.POSITIVE_INFINITY
        !reading.isGood -> FAR_DB // a network can be sharp, and no better than bicubic, in the assumed range
        reading.input == ValueRange.SIGNED && reading.output == ValueRange.SIGNED -> SIGNED_DB
        else -> CLEARLY_DB
    }

    private companion object {
        const val CLEARLY_DB = 0.1
        const val SIGNED_DB = -0.1 // a network of 0..1 loses 1 dB or more in -1..1, but one of -1..1 hardly any in 0..1
        const val FAR_DB = 3.0
        const val SAME_DB = 0.001
        const val MAX_VALUES = 6_000_000L // of the output: more would need too much memory

        /** The mean of each square of [factor] pixels. */
        fun Pixels.reduced(factor: Int) = Pixels.build(width / factor, height / factor) { x, y ->
            fun mean(shift: Int): Int {
                var sum = 0
                for (row in 0 until factor) for (column in 0 until factor) {
                    sum += argb[(y * factor + row) * width + x * factor + column] ushr shift and 255
                }
                return (2 * sum + factor * factor) / (2 * factor * factor)
            }
            (255 shl 24) or (mean(16) shl 16) or (mean(8) shl 8) or mean(0)
        }

        /** In dB, of planes in 0..255; negative infinity where a value is not finite. */
        fun psnr(planes: List<FloatArray>, truth: List<FloatArray>): Double {
            var sum = 0.0
            for ((plane, expected) in planes.zip(truth)) for (i in plane.indices) {
                if (!plane[i].isFinite()) return Double.NEGATIVE_INFINITY
                val difference = plane[i].coerceIn(0f, 255f) - expected[i]
                sum += difference * difference
            }
            return 10 * log10(255 * 255 * truth.sumOf { it.size } / maxOf(sum, 1e-6))
        }
    }
}
