package ecbsr.demo

import ecbsr.demo.core.Pixels
import java.io.File
import javax.imageio.ImageIO

/** The files that `tests/helpers/make_app_fixtures.py` writes before the tests. */
object Fixtures {
    private val folder = File(System.getProperty("ecbsr.fixtures") ?: "../../build/app/fixtures")

    val pictures get() = list("pictures")
    val models get() = list("models").filter { it.extension == "tflite" }
    val wrong get() = list("wrong")

    /** The bundled models of the app. */
    val bundled get() = listOf(2, 4).map { file("models/ecbsr-m4c16-x$it-int8.tflite") }

    fun picture(name: String) = read(file("pictures/$name.png"))

    fun model(name: String) = file("models/$name.tflite").readBytes()

    fun file(path: String) = File(folder, path).also {
        check(it.exists()) { "$it is missing: android_bench/app/run-tests.sh writes it" }
    }

    fun read(file: File): Pixels {
        val image = ImageIO.read(file)
        // AWT converts gray files as linear light. The raster has the stored values.
        if (image.colorModel.numComponents == 1) {
            return Pixels.build(image.width, image.height) { x, y -> (255 shl 24) or image.raster.getSample(x, y, 0) * 0x010101 }
        }
        return Pixels(image.width, image.height, image.getRGB(0, 0, image.width, image.height, null, 0, image.width))
    }

    private fun list(name: String) = file(name).listFiles()!!.sorted()
}
