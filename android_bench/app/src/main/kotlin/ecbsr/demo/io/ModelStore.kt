package ecbsr.demo.io

import android.content.Context
import android.net.Uri
import ecbsr.demo.core.Job
import ecbsr.demo.core.RangeProbe
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.TfliteFile
import ecbsr.demo.core.UserFacingException
import java.io.File
import java.io.IOException

/** A model to choose from: [model], or else the [problem] for which it cannot be used. */
class ListedModel(val name: String, val isBundled: Boolean, val model: SrModel?, val problem: String?)

/**
 * The bundled models, from the assets, and the user's models, from the app's files. It reads files and tries models, so
 * the main thread does not use it.
 */
class ModelStore(private val context: Context, private val probe: RangeProbe) {
    private val folder = File(context.filesDir, "models")
    private val documents = Documents(context.contentResolver)
    private val loaded = mutableMapOf<String, SrModel>()

    /** All models, the bundled ones first. */
    fun list(): List<ListedModel> = names().map { name ->
        try {
            ListedModel(name, isBundled(name), load(name), null)
        } catch (error: UserFacingException) {
            ListedModel(name, isBundled(name), null, error.message)
        }
    }

    /** Loads [preferred] if it exists, or else the first model. @throws UserFacingException as [load] does. */
    fun loadFirst(preferred: String?): SrModel = names().let { names -> load(preferred?.takeIf { it in names } ?: names.first()) }

    /** The names without `.tflite`, the bundled models first. */
    private fun names() = (bundled() + modelNames(folder.list())).distinct()

    private fun isBundled(name: String) = name in bundled()

    /** @throws UserFacingException when the model is missing or unusable. */
    @Synchronized
    fun load(name: String): SrModel = loaded.getOrPut(name) {
        try {
            val bytes = if (isBundled(name)) context.assets.open("$name$EXTENSION").use { it.readBytes() } else file(name).readBytes()
            probe.settled(SrModel.read(name, bytes))
        } catch (error: IOException) {
            throw UserFacingException("The model $name is no longer available.", error)
        } catch (error: OutOfMemoryError) {
            throw UserFacingException("There is not enough memory to read $name.", error)
        }
    }

    /** The smallest bundled luma model of the scale of [model], or null if none is smaller than that. */
    fun smaller(model: SrModel): SrModel? = bundled().map(::load)
        .filter { it.scale == model.scale && it.channels == 1 && it.file.bytes.size < model.file.bytes.size }
        .minByOrNull { it.file.bytes.size }

    /** Imports a model of the user if it is usable. @throws UserFacingException when it is not. */
    fun add(uri: Uri, job: Job): SrModel {
        val name = documents.name(uri, job).removeSuffix(EXTENSION).filter { it.isLetterOrDigit() || it in "-_. " }.trim('.', ' ').take(80)
        val model = SrModel.read(name.ifEmpty { "model" }, documents.bytes(uri, TfliteFile.MAX_BYTES, job))
        val names = sequenceOf(model.name) + generateSequence(2) { it + 1 }.map { "${model.name} ($it)" }
        val unusedName = names.first { !isBundled(it) }
        synchronized(this) {
            try {
                file(unusedName).writeAtomically { it.write(model.file.bytes) }
            } catch (error: IOException) {
                throw UserFacingException("The model cannot be stored: ${error.message}.", error)
            }
            loaded.remove(unusedName)
        }
        return load(unusedName)
    }

    @Synchronized
    fun remove(name: String) {
        file(name).delete()
        loaded.remove(name)
    }

    private fun file(name: String) = File(folder, "$name$EXTENSION")

    private fun bundled() = modelNames(context.assets.list(""))

    private fun modelNames(files: Array<String>?) =
        files.orEmpty().filter { it.endsWith(EXTENSION) }.map { it.removeSuffix(EXTENSION) }.sorted()

    private companion object {
        const val EXTENSION = ".tflite"
    }
}
