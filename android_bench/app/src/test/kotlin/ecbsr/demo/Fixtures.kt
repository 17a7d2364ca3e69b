package ecbsr.demo

import ecbsr.demo.core.Pixels
import java.io.File
import javax.imageio.ImageIO

/** What `tests/make_app_fixtures.py` wrote for this run. */
object Fixtures {
    private val folder = File(System.getProperty("ecbsr.fixtures") ?: "../../build/app/fixtures")

    val pictures get() = list("pictures")
    val models get() = list("models").filter { it.extension == "tflite" }
    val wrong get() = list("wrong")

    /** The models that the app carries. */
    val bundled get() = listOf(2, 4).map { file("models/ecbsr-m4c16-x$it-int8.tflite") }

    fun picture(name: String) = read(file("pictures/$name.png"))

    fun model(name: String) = file("models/$name.tflite").readBytes()

    fun file(path: String) = File(folder, path).also {
        check(it.exists()) { "$it is missing: run android_bench/app/run-tests.sh, which makes it" }
    }

    fun read(file: File): Pixels {
        val image = ImageIO.read(file)
        return Pixels(image.width, image.height, image.getRGB(0, 0, image.width, image.height, null, 0, image.width)).let {
            if (image.colorModel.numComponents == 1) grey(image.raster.getPixels(0, 0, it.width, it.height, null as IntArray?), it) else it
        }
    }

    /** AWT takes grey files for linear light and converts them; the stored values are wanted. */
    private fun grey(values: IntArray, pixels: Pixels) =
        Pixels(pixels.width, pixels.height, IntArray(values.size) { (255 shl 24) or values[it] * 0x010101 })

    private fun list(name: String) = file(name).listFiles()!!.sorted()
}
