package ecbsr.demo

import android.content.Context
import android.net.Uri
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.Job
import ecbsr.demo.core.PngWriter
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.SrUpscaler
import ecbsr.demo.core.upscale
import ecbsr.demo.io.Documents
import ecbsr.demo.io.PictureFile
import ecbsr.demo.io.SharedFiles
import java.io.OutputStream

/** Writes results to documents of other apps, or to files that other apps can read. Runs in the background. */
class ResultExporter(private val context: Context, private val engines: EngineFactory) {
    private val documents = Documents(context.contentResolver)

    /** Saves the upscaled picture as a PNG. */
    fun savePicture(model: SrModel, picture: PictureFile, uri: Uri, job: Job) =
        documents.write(uri, job) { writePng(model, picture, it, job) }

    fun sharePicture(model: SrModel, picture: PictureFile, job: Job): Uri =
        SharedFiles.create(context, pictureName(model, picture)) { writePng(model, picture, it, job) }

    fun saveJson(json: String, uri: Uri, job: Job) = documents.write(uri, job) { it.write(json.toByteArray()) }

    fun shareJson(json: String, name: String): Uri = SharedFiles.create(context, name) { it.write(json.toByteArray()) }

    private fun writePng(model: SrModel, picture: PictureFile, output: OutputStream, job: Job) =
        SrUpscaler(model, engines).use { upscaler ->
            PngWriter(output, picture.width * model.scale, picture.height * model.scale, picture.hasAlpha).use { png ->
                upscale(picture, picture.whole, upscaler, job, png::writeRows)
            }
        }

    companion object {
        const val TIMING_NAME = "ecbsr-timing.json"
        const val VIDEO_NAME = "ecbsr-video.json"

        fun pictureName(model: SrModel, picture: PictureFile): String {
            val name = picture.name.substringBeforeLast('.').filterNot(Char::isISOControl).replace('/', '_')
            return "${name.take(MAX_NAME)}-x${model.scale}.png"
        }

        private const val MAX_NAME = 80 // a file system takes 255 bytes, and a character has up to 3
    }
}
