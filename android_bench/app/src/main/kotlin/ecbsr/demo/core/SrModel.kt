package ecbsr.demo.core

import java.io.Serializable
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject

/** A width and a height in pixels. */
data class Size(val width: Int, val height: Int) : Serializable {
    override fun toString() = "${width}x$height"
}

/**
 * A super-resolution network in a `.tflite`: one NHWC picture of luma or RGB in, one [scale] times as large out.
 *
 * @property fixedSize the only input size that the graph can have, or null where any can be stamped into it.
 * @property halo input pixels around a tile that its output depends on.
 * @property seamless whether tiles give what the whole picture would give.
 * @property recipe how the file was made, from its own metadata, inner keys joined by dots; empty in files of
 *   other makers.
 */
class SrModel private constructor(
    val name: String,
    val file: TfliteFile,
    val scale: Int,
    val colors: Int,
    val input: Values,
    val output: Values,
    val storedSize: Size?,
    private val geometry: Geometry?,
    val recipe: Map<String, String>,
) {
    val fixedSize get() = if (geometry == null) storedSize else null
    val halo get() = geometry?.halo ?: minOf(GUESSED_HALO, minOf(storedSize!!.width, storedSize.height) / 4)
    val seamless get() = geometry != null
    val nodes get() = file.nodes.size

    /** "int8", "fp32" …: what the recipe says, else what the tensors hold. */
    val precision: String
        get() = recipe["precision"] ?: when {
            input.type != Values.FLOAT32 -> input.typeName
            file.tensors.any { it.constant && it.type == Values.FLOAT16 } -> "fp16"
            file.tensors.any { it.constant && it.type == Values.INT8 } -> "int8"
            else -> "fp32"
        }

    /** How often each operator occurs, in order of first use. */
    val operators: Map<String, Int> get() = file.nodes.groupingBy { it.operator }.eachCount()

    /**
     * The file with an input of [size], as a direct buffer that an interpreter can map. A delegate that
     * takes only static shapes sees the size that will run, which resizing the input afterwards would not give.
     *
     * @throws Refused when the graph cannot have this size.
     */
    fun stamped(size: Size): ByteBuffer {
        val out = ByteBuffer.allocateDirect(file.bytes.size).order(ByteOrder.nativeOrder())
        out.put(file.bytes).rewind()
        if (size == storedSize) return out
        val densities = geometry?.density ?: throw Refused("$name takes pictures of $storedSize only, not $size.")
        out.order(ByteOrder.LITTLE_ENDIAN)
        for ((index, density) in densities) {
            val tensor = file.tensors[index]
            for (at in listOfNotNull(tensor.shapeAt, tensor.signatureAt)) {
                out.putInt(at + 4, size.height * density).putInt(at + 8, size.width * density)
            }
        }
        return out.order(ByteOrder.nativeOrder())
    }

    companion object {
        private const val RECIPE = "ecbsr_mobile.recipe"
        private const val GUESSED_HALO = 16 // enough for the nets seen so far; a seam may show
        private const val LEAST_SIDE = 16
        private const val MOST_VALUES = 32_000_000L // of one result

        /**
         * Reads what [bytes] hold.
         *
         * @throws Refused when that is not a super-resolution network, in a sentence that says why.
         */
        fun read(name: String, bytes: ByteArray): SrModel {
            val file = TfliteFile.read(bytes)
            fun refuse(why: String): Nothing = throw Refused("This is not a super-resolution model: $why.")
            if (file.inputs.size != 1 || file.outputs.size != 1) {
                refuse("it has ${file.inputs.size} inputs and ${file.outputs.size} outputs, not one picture in and one out")
            }
            val (input, output) = file.tensors[file.inputs[0]] to file.tensors[file.outputs[0]]
            for (tensor in listOf(input, output)) {
                if (tensor.shape.size != 4) refuse("a tensor of shape ${tensor.shape} is not [1, height, width, colours]")
                if (tensor.shape[0] !in listOf(1, -1)) refuse("it takes ${tensor.shape[0]} pictures at once")
            }
            val colors = input.shape[3]
            if (colors != 1 && colors != 3) refuse("it takes $colors channels; luma (1) or RGB (3) was expected")
            if (output.shape[3] != colors) refuse("it takes $colors channels and gives ${output.shape[3]}")
            val geometry = Geometry.of(file)?.takeIf { stampable(file, it) }
            val scale = scale(file, geometry)
                ?: refuse("it gives ${shown(output.shape)} for ${shown(input.shape)}, which is not a whole factor of 2 to 8")
            val size = if (input.shape[1] > 0 && input.shape[2] > 0) Size(input.shape[2], input.shape[1]) else null
            if (size == null && geometry == null) refuse("its size is open and ${unknown(file)} hides what it may be")
            if (geometry == null) checkFixed(size!!, scale, colors, ::refuse)
            return SrModel(name, file, scale, colors, Values.of(input), Values.of(output), size, geometry, recipe(file))
        }

        /** A picture is cut into tiles of the one size: each needs an inside, and memory. */
        private fun checkFixed(size: Size, scale: Int, colors: Int, refuse: (String) -> Nothing) {
            if (minOf(size.width, size.height) < LEAST_SIDE) refuse("it takes pictures of $size only, too small for tiles")
            val values = size.width.toLong() * size.height * scale * scale * colors
            if (values > MOST_VALUES) refuse("it takes pictures of $size only, too large for a phone")
        }

        private fun scale(file: TfliteFile, geometry: Geometry?): Int? {
            val (input, output) = file.tensors[file.inputs[0]].shape to file.tensors[file.outputs[0]].shape
            val factors = (1..2).map { if (input[it] > 0 && output[it] > 0) output[it] / input[it] else 0 }
            val exact = (1..2).all { output[it] == factors[0] * input[it] } && factors[0] == factors[1]
            val scale = geometry?.density?.getValue(file.outputs[0]) ?: factors[0].takeIf { exact }
            return scale?.takeIf { it in 2..8 && (factors[0] == 0 || exact && factors[0] == it) }
        }

        /** Shapes are overwritten in place, so no two tensors may share one that must come to differ. */
        private fun stampable(file: TfliteFile, geometry: Geometry): Boolean {
            val wanted = mutableMapOf<Int, Int>()
            return file.tensors.withIndex().all { (index, tensor) ->
                val density = geometry.density[index] ?: 0
                val fits = density == 0 || tensor.shape.size == 4 && tensor.shapeAt != null
                fits && listOfNotNull(tensor.shapeAt, tensor.signatureAt).all { wanted.getOrPut(it) { density } == density }
            }
        }

        private fun unknown(file: TfliteFile) = file.nodes.map { it.operator }.distinct().joinToString(limit = 4)

        private fun shown(shape: List<Int>) = "${if (shape[2] < 0) "?" else shape[2]}x${if (shape[1] < 0) "?" else shape[1]}"

        private fun recipe(file: TfliteFile): Map<String, String> {
            val text = file.metadata[RECIPE]?.toString(Charsets.UTF_8) ?: return emptyMap()
            return try {
                JSONObject(text).flat().toSortedMap()
            } catch (_: JSONException) {
                emptyMap() // a recipe is a help, not a condition
            }
        }

        /** `{"model": {"name": "x"}}` as `model.name` to `x`; what lies deeper, such as every range, is left out. */
        private fun JSONObject.flat(prefix: String = ""): Map<String, String> = keys().asSequence().flatMap { key ->
            when (val value = get(key)) {
                is JSONObject -> if (prefix.isEmpty()) value.flat("$key.").toList() else emptyList()
                is JSONArray -> listOf("$prefix$key" to (0 until value.length()).joinToString { "${value.get(it)}" })
                else -> listOf("$prefix$key" to "$value")
            }
        }.toMap()
    }
}
