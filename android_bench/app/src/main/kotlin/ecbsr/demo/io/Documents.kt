package ecbsr.demo.io

import android.content.ContentResolver
import android.net.Uri
import android.provider.DocumentsContract
import android.provider.OpenableColumns
import ecbsr.demo.core.Job
import ecbsr.demo.core.Refused
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream

/** Files that belong to other apps: given by the gallery, a file manager or a share. */
class Documents(private val resolver: ContentResolver) {
    /** The document's own name, or the last part of its address. */
    fun name(uri: Uri): String {
        val cursor = try {
            resolver.query(uri, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)
        } catch (_: RuntimeException) {
            null // other apps' providers may throw anything
        }
        val shown = cursor?.use { if (it.moveToFirst() && !it.isNull(0)) it.getString(0) else null }
        return shown ?: uri.lastPathSegment ?: "file"
    }

    /** @throws Refused when the document cannot be read, or is larger than [most] bytes. @throws Cancelled */
    fun bytes(uri: Uri, most: Int, job: Job): ByteArray = reading(uri) { input ->
        val out = ByteArrayOutputStream()
        copy(input, out, most.toLong(), job)
        out.toByteArray()
    }

    /** Copies a document to a file, whole or not at all. @throws Refused as [bytes] does. */
    fun copy(uri: Uri, target: File, most: Long, job: Job) {
        target.parentFile?.mkdirs()
        val temporary = File(target.path + ".part")
        try {
            reading(uri) { input -> temporary.outputStream().use { copy(input, it, most, job) } }
            if (!temporary.renameTo(target)) throw Refused("The phone's storage cannot be written to.")
        } finally {
            temporary.delete()
        }
    }

    /** Lets [write] fill a document; what fails or is stopped half-way is deleted. @throws Refused when it cannot be written. */
    fun write(uri: Uri, write: (OutputStream) -> Unit) {
        var done = false
        try {
            val output = resolver.openOutputStream(uri, "wt") ?: throw FileNotFoundException("cannot be opened")
            output.buffered().use(write)
            done = true
        } catch (error: IOException) {
            throw Refused("The file cannot be written: ${error.message}.", error)
        } catch (error: SecurityException) {
            throw Refused("The file may not be written to: choose another place.", error)
        } finally {
            if (!done) delete(uri)
        }
    }

    private fun delete(uri: Uri) {
        try {
            DocumentsContract.deleteDocument(resolver, uri)
        } catch (_: Exception) {
            // The other app does not delete: the reader of the file will see that it is cut short.
        }
    }

    private fun <T> reading(uri: Uri, use: (InputStream) -> T): T = try {
        (resolver.openInputStream(uri) ?: throw FileNotFoundException("nothing there")).use(use)
    } catch (error: IOException) {
        throw Refused("The file cannot be read: ${error.message}.", error)
    } catch (error: SecurityException) {
        throw Refused("The other app did not let this one read the file: share or choose it again.", error)
    } catch (error: RuntimeException) {
        throw Refused("The other app failed to give the file: ${error.message}.", error)
    }

    private fun copy(input: InputStream, output: OutputStream, most: Long, job: Job) {
        val buffer = ByteArray(64 * 1024)
        var total = 0L
        while (true) {
            job.check() // a file may come from far away
            val count = input.read(buffer)
            if (count < 0) return
            total += count
            if (total > most) throw Refused("The file is larger than ${most / 1024 / 1024} MB.")
            output.write(buffer, 0, count)
        }
    }
}
