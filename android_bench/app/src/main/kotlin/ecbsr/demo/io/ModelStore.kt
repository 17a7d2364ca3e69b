package ecbsr.demo.io

import android.content.Context
import android.net.Uri
import ecbsr.demo.core.Job
import ecbsr.demo.core.Refused
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.TfliteFile
import java.io.File
import java.io.IOException

/** The models of the app, from its assets, and those that the person opened, kept in the app's files. */
class ModelStore(private val context: Context) {
    private val folder = File(context.filesDir, "models")
    private val loaded = mutableMapOf<String, SrModel>()

    /** Names without `.tflite`, the app's own first. */
    fun names(): List<String> = bundled() + opened().filter { it !in bundled() }

    fun isBundled(name: String) = name in bundled()

    /** @throws Refused when the model is gone or cannot be used. */
    @Synchronized
    fun load(name: String): SrModel = loaded.getOrPut(name) {
        val bytes = try {
            if (isBundled(name)) context.assets.open("$name$ENDING").use { it.readBytes() } else file(name).readBytes()
        } catch (error: IOException) {
            throw Refused("The model $name is not there any more.", error)
        } catch (error: OutOfMemoryError) {
            throw Refused("There is not enough memory to read $name.", error)
        }
        SrModel.read(name, bytes)
    }

    /** Takes a model of the person's own; it is kept only if it can be used. @throws Refused when not. */
    fun add(uri: Uri, job: Job): SrModel {
        val documents = Documents(context.contentResolver)
        val name = documents.name(uri).removeSuffix(ENDING).filter { it.isLetterOrDigit() || it in "-_. " }.trim('.', ' ').take(80)
        val model = SrModel.read(name.ifEmpty { "model" }, documents.bytes(uri, TfliteFile.MOST_BYTES, job))
        val free = generateSequence(1) { it + 1 }.map { if (it == 1) model.name else "${model.name} ($it)" }.first { !isBundled(it) }
        synchronized(this) {
            folder.mkdirs()
            val temporary = File(folder, "$free.part")
            try {
                temporary.writeBytes(model.file.bytes)
                temporary.renameTo(file(free))
            } catch (error: IOException) {
                throw Refused("The model cannot be kept: ${error.message}.", error)
            } finally {
                temporary.delete()
            }
            loaded.remove(free)
        }
        return load(free)
    }

    @Synchronized
    fun remove(name: String) {
        file(name).delete()
        loaded.remove(name)
    }

    private fun file(name: String) = File(folder, "$name$ENDING")

    private fun bundled() = context.assets.list("").orEmpty().filter { it.endsWith(ENDING) }.map { it.removeSuffix(ENDING) }.sorted()

    private fun opened() = folder.list().orEmpty().filter { it.endsWith(ENDING) }.map { it.removeSuffix(ENDING) }.sorted()

    private companion object {
        const val ENDING = ".tflite"
    }
}
