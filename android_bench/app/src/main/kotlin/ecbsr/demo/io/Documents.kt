package ecbsr.demo.io

import android.content.ContentResolver
import android.net.Uri
import android.provider.DocumentsContract
import android.provider.OpenableColumns
import ecbsr.demo.core.Job
import ecbsr.demo.core.UserFacingException
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream

/** Documents of other apps, from the gallery, a file manager or a share. */
class Documents(private val resolver: ContentResolver) {
    /** The display name of the document, or else the last path segment of its URI. */
    fun name(uri: Uri): String {
        val cursor = try {
            resolver.query(uri, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)
        } catch (_: RuntimeException) {
            null // providers of other apps can throw anything
        }
        val displayName = cursor?.use { if (it.moveToFirst() && !it.isNull(0)) it.getString(0) else null }
        return displayName ?: uri.lastPathSegment ?: "file"
    }

    /** @throws UserFacingException when the document cannot be read or is larger than [maxBytes]. @throws CanceledException after [Job.cancel]. */
    fun bytes(uri: Uri, maxBytes: Int, job: Job): ByteArray {
        val output = ByteArrayOutputStream()
        copy(uri, output, maxBytes.toLong(), job)
        return output.toByteArray()
    }

    /** Copies a document to a file, completely or not at all. @throws UserFacingException as [bytes] does. */
    fun copy(uri: Uri, target: File, maxBytes: Long, job: Job) = target.writeAtomically { copy(uri, it, maxBytes, job) }

    /** Writes a document, and deletes it if [write] fails or is canceled. @throws UserFacingException when writing fails. */
    fun write(uri: Uri, write: (OutputStream) -> Unit) {
        var complete = false
        try {
            val output = resolver.openOutputStream(uri, "wt") ?: throw FileNotFoundException("it cannot be opened")
            output.buffered().use(write)
            complete = true
        } catch (error: IOException) {
            throw UserFacingException("The file cannot be written: ${error.message}.", error)
        } catch (error: SecurityException) {
            throw UserFacingException("The app has no permission to write the file: choose another location.", error)
        } finally {
            if (!complete) delete(uri)
        }
    }

    private fun delete(uri: Uri) {
        try {
            DocumentsContract.deleteDocument(resolver, uri)
        } catch (_: Exception) {
            // The other app does not support deletion. Readers detect the incomplete PNG.
        }
    }

    private fun copy(uri: Uri, output: OutputStream, maxBytes: Long, job: Job) = try {
        (resolver.openInputStream(uri) ?: throw FileNotFoundException("it does not exist")).use { copy(it, output, maxBytes, job) }
    } catch (error: IOException) {
        throw UserFacingException("The file cannot be read: ${error.message}.", error)
    } catch (error: SecurityException) {
        throw UserFacingException("The app has no permission to read the file: share or choose it again.", error)
    } catch (error: RuntimeException) {
        throw UserFacingException("The other app failed to provide the file: ${error.message}.", error)
    }

    private fun copy(input: InputStream, output: OutputStream, maxBytes: Long, job: Job) {
        val buffer = ByteArray(64 * 1024)
        var total = 0L
        while (true) {
            job.throwIfCanceled() // the download of a remote file can be slow
            val count = input.read(buffer)
            if (count < 0) return
            total += count
            if (total > maxBytes) throw UserFacingException("The file is larger than ${maxBytes / 1024 / 1024} MB.")
            output.write(buffer, 0, count)
        }
    }
}
