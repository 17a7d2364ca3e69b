package ecbsr.demo.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject

/**
 * A super-resolution network in a `.tflite`. It upscales one NHWC picture, luma or RGB, by [scale].
 *
 * @property fixedSize the only input size of the graph, or null if the graph can be resized.
 * @property halo the radius around a tile, in input pixels, that its output depends on.
 * @property step tiles start at multiples of this number of input pixels.
 * @property seamless whether tiles give the same result as the whole picture.
 * @property reading what is assumed about the values of a float file that does not state them, or null.
 * @property recipe the export settings from the file's metadata, with nested keys joined by dots; empty if the file
 *   has none.
 */
class SrModel private constructor(
    val name: String,
    val file: TfliteFile,
    val scale: Int,
    val channels: Int,
    val input: TensorFormat,
    val output: TensorFormat,
    val storedSize: Size?,
    private val geometry: Geometry?,
    val recipe: Map<String, String>,
    val reading: Reading? = null,
) {
    val fixedSize get() = if (geometry == null) storedSize else null
    val halo get() = geometry?.halo ?: minOf(DEFAULT_HALO, storedSize!!.width / 4, storedSize.height / 4)
    val step get() = outputResolution?.step ?: 1
    val seamless get() = geometry != null
    val nodes get() = file.nodes.size

    /** "int8", "fp32" …, from the recipe or else from the tensors. */
    val precision: String
        get() = recipe["precision"] ?: when {
            input.type != TensorFormat.FLOAT32 -> input.dtype
            file.tensors.any { it.constant && it.type == TensorFormat.FLOAT16 } -> "fp16"
            file.tensors.any { it.constant && it.type == TensorFormat.INT8 } -> "int8"
            else -> "fp32"
        }

    /** The count of each operator, in order of first use. */
    val operators: Map<String, Int> get() = file.nodes.groupingBy { it.operator }.eachCount()

    /** Whether the values of input or output are floats whose range the file does not state. */
    val isRangeUnknown get() = recipe.isEmpty() && (input.type == TensorFormat.FLOAT32 || output.type == TensorFormat.FLOAT32)

    /** The same file with other values; a range says nothing about a tensor of integers. */
    fun withReading(reading: Reading): SrModel {
        val (stored, result) = listOf(file.inputs[0] to reading.input, file.outputs[0] to reading.output)
            .map { (tensor, range) -> TensorFormat.of(file.tensors[tensor], range) }
        return SrModel(name, file, scale, channels, stored, result, storedSize, geometry, recipe, reading)
    }

    /**
     * A copy of the file with the shapes for an input of [size], as a direct buffer for an interpreter. Unlike
     * resizing the input in the interpreter, it also works with delegates that need static shapes.
     *
     * @throws UserFacingException when the graph cannot have this size.
     */
    fun resized(size: Size): ByteBuffer {
        val copy = ByteBuffer.allocateDirect(file.bytes.size).order(ByteOrder.nativeOrder())
        copy.put(file.bytes).rewind()
        if (size == storedSize) return copy
        val resolutions = geometry?.resolutions ?: throw UserFacingException("$name takes pictures of $storedSize only, not $size.")
        copy.order(ByteOrder.LITTLE_ENDIAN)
        for ((index, resolution) in resolutions) {
            for (offset in shapeOffsets(file.tensors[index])) {
                copy.putInt(offset + 4, resolution.of(size.height)).putInt(offset + 8, resolution.of(size.width))
            }
        }
        return copy.order(ByteOrder.nativeOrder())
    }

    /** The input planes of the model, in 0..255: luma, or red, green and blue. */
    fun inputPlanes(argb: IntArray) = if (channels == 1) listOf(Color.luma(argb)) else Color.rgb(argb)

    fun inputBuffer(size: Size) = input.buffer(size.pixels * channels)

    fun outputBuffer(size: Size) = output.buffer(outputSize(size).pixels * channels)

    /** The size of the output for an input of [size]: a graph with a stride gives more than [scale] where a step is incomplete. */
    fun outputSize(size: Size) = outputResolution?.let { Size(it.of(size.width), it.of(size.height)) } ?: (size * scale)

    /** The planes of the upscaled picture of [size], in 0..255, from an output buffer. */
    fun outputPlanes(buffer: ByteBuffer, size: Size): List<FloatArray> {
        val stored = outputSize(size)
        val planes = output.read(buffer, channels, stored.pixels)
        val (width, height) = size * scale
        if (stored == Size(width, height)) return planes
        return planes.map { plane -> FloatArray(width * height) { plane[it / width * stored.width + it % width] } }
    }

    private val outputResolution get() = geometry?.resolutions?.getValue(file.outputs[0])

    companion object {
        private const val RECIPE = "ecbsr_mobile.recipe"
        private const val DEFAULT_HALO = 16 // for an unknown receptive field; seams may be visible
        private const val MIN_SIDE = 16
        private val COLORS = listOf(1, 3)
        private const val MAX_OUTPUT_VALUES = 32_000_000L

        /**
         * Reads a model from the [bytes] of a `.tflite`.
         *
         * @throws UserFacingException when the file is not a super-resolution network; the message gives the reason.
         */
        fun read(name: String, bytes: ByteArray): SrModel {
            val file = TfliteFile.read(bytes)
            fun reject(reason: String): Nothing = throw UserFacingException("This is not a super-resolution model: $reason.")
            if (file.inputs.size != 1 || file.outputs.size != 1) {
                reject("it has ${file.inputs.size} inputs and ${file.outputs.size} outputs instead of one each")
            }
            val input = file.tensors[file.inputs[0]]
            val output = file.tensors[file.outputs[0]]
            for (tensor in listOf(input, output)) {
                if (tensor.shape.size != 4) reject("a tensor of shape ${tensor.shape} is not [1, height, width, channels]")
                if (tensor.shape[0] !in listOf(1, -1)) reject("it takes ${tensor.shape[0]} pictures at once")
                if (tensor.shape[1] in COLORS && tensor.shape[3] !in COLORS) reject("a tensor of shape ${tensor.shape} has its channels first instead of last")
            }
            val channels = input.shape[3]
            if (channels !in COLORS) reject("it takes $channels channels instead of 1 (luma) or 3 (RGB)")
            if (output.shape[3] != channels) reject("it takes $channels channels and gives ${output.shape[3]}")
            val geometry = Geometry.of(file)?.takeIf { canResize(file, it) }
            val scale = scale(file, geometry)
                ?: reject("it gives ${sizeText(output.shape)} for ${sizeText(input.shape)}, which is not an integer factor of 2 to 8")
            val size = if (input.shape[1] > 0 && input.shape[2] > 0) Size(input.shape[2], input.shape[1]) else null
            if (size == null && geometry == null) reject("its input size is open and cannot be derived from ${operatorNames(file)}")
            if (geometry == null) checkFixedSize(size!!, scale, channels, ::reject)
            return SrModel(name, file, scale, channels, TensorFormat.of(input), TensorFormat.of(output), size, geometry, recipe(file))
        }

        /** Every tile has this size: it must be larger than its halo and fit in memory. */
        private fun checkFixedSize(size: Size, scale: Int, channels: Int, reject: (String) -> Nothing) {
            if (minOf(size.width, size.height) < MIN_SIDE) reject("it takes pictures of $size only, too small for tiles")
            val outputValues = size.width.toLong() * size.height * scale * scale * channels
            if (outputValues > MAX_OUTPUT_VALUES) reject("it takes pictures of $size only, too large for a phone")
        }

        private fun scale(file: TfliteFile, geometry: Geometry?): Int? {
            val input = file.tensors[file.inputs[0]].shape
            val output = file.tensors[file.outputs[0]].shape
            val factors = (1..2).map { if (input[it] > 0 && output[it] > 0) output[it] / input[it] else 0 }
            val exact = (1..2).all { output[it] == factors[0] * input[it] } && factors[0] == factors[1]
            val resolution = geometry?.resolutions?.getValue(file.outputs[0])
            val scale = if (resolution == null) factors[0].takeIf { exact } else resolution.scale
            return scale?.takeIf { it in 2..8 && (factors[0] == 0 || exact && factors[0] == it) }
        }

        /** Resizing overwrites shapes in place, so tensors of different resolutions must not share a shape. */
        private fun canResize(file: TfliteFile, geometry: Geometry): Boolean {
            val constant = Resolution(0, 1)
            val resolutionAtOffset = mutableMapOf<Int, Resolution>()
            return file.tensors.withIndex().all { (index, tensor) ->
                val resolution = geometry.resolutions[index] ?: constant
                val hasShape = resolution == constant || tensor.shape.size == 4 && tensor.shapeOffset != null
                hasShape && shapeOffsets(tensor).all { resolutionAtOffset.getOrPut(it) { resolution } == resolution }
            }
        }

        private fun shapeOffsets(tensor: Tensor) = listOfNotNull(tensor.shapeOffset, tensor.signatureOffset)

        private fun operatorNames(file: TfliteFile) = file.nodes.map { it.operator }.distinct().joinToString(limit = 4)

        private fun sizeText(shape: List<Int>) = "${if (shape[2] < 0) "?" else shape[2]}x${if (shape[1] < 0) "?" else shape[1]}"

        private fun recipe(file: TfliteFile): Map<String, String> {
            val text = file.metadata[RECIPE]?.toString(Charsets.UTF_8) ?: return emptyMap()
            return try {
                JSONObject(text).flatten().toSortedMap()
            } catch (_: JSONException) {
                emptyMap() // the recipe is optional
            }
        }

        /** Maps `{"model": {"name": "x"}}` to `model.name` and `x`. Deeper levels, such as tensor ranges, are omitted. */
        private fun JSONObject.flatten(prefix: String = ""): Map<String, String> = keys().asSequence().flatMap { key ->
            when (val value = get(key)) {
                is JSONObject -> if (prefix.isEmpty()) value.flatten("$key.").toList() else emptyList()
                is JSONArray -> listOf("$prefix$key" to (0 until value.length()).joinToString { "${value.get(it)}" })
                else -> listOf("$prefix$key" to "$value")
            }
        }.toMap()
    }
}
