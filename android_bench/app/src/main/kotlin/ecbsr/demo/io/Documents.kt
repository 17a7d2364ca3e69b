package ecbsr.demo.io

import android.content.ContentResolver
import android.database.Cursor
import android.net.Uri
import android.provider.DocumentsContract
import android.provider.OpenableColumns
import ecbsr.demo.core.Job
import ecbsr.demo.core.UserFacingException
import java.io.ByteArrayOutputStream
import java.io.Closeable
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.util.concurrent.ExecutionException
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

/** Documents of other apps, from the gallery, a file manager or a share. */
class Documents(private val resolver: ContentResolver) {
    /** The display name of the document, or else the last path segment of its URI. */
    fun name(uri: Uri): String {
        val displayName = try {
            resolver.query(uri, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)?.use(::displayName)
        } catch (_: RuntimeException) {
            null // providers of other apps can throw anything, and so can their cursors
        }
        return displayName ?: uri.lastPathSegment ?: "file"
    }

    /** A provider may give other columns than the one that was asked for, and in another order. */
    private fun displayName(cursor: Cursor): String? {
        val column = cursor.getColumnIndex(OpenableColumns.DISPLAY_NAME)
        return if (column >= 0 && cursor.moveToFirst()) cursor.getString(column) else null
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
        Reader(job).use { copy(it, uri, output, maxBytes) }
    } catch (error: IOException) {
        throw UserFacingException("The file cannot be read: ${error.message}.", error)
    } catch (error: SecurityException) {
        throw UserFacingException("The app has no permission to read the file: share or choose it again.", error)
    } catch (error: RuntimeException) {
        throw UserFacingException("The other app failed to provide the file: ${error.message}.", error)
    }

    private fun copy(reader: Reader, uri: Uri, output: OutputStream, maxBytes: Long) {
        reader.open { resolver.openInputStream(uri) ?: throw FileNotFoundException("it does not exist") }
        val buffer = ByteArray(64 * 1024)
        var total = 0L
        while (true) {
            val count = reader.read(buffer)
            if (count < 0) return
            total += count
            if (total > maxBytes) throw UserFacingException("The file is larger than ${maxBytes / 1024 / 1024} MB.")
            output.write(buffer, 0, count)
        }
    }

    /**
     * Reads a stream in a thread of its own. The app that provides it can take any time, as for a remote file, and cannot
     * be interrupted: a canceled [job] leaves the thread behind, which closes the stream once it is answered.
     */
    private class Reader(private val job: Job) : Closeable {
        private val thread = Executors.newSingleThreadExecutor { Thread(it, "document") }
        private var input: InputStream? = null // of that thread

        fun open(open: () -> InputStream) = await { input = open() }

        fun read(buffer: ByteArray): Int = await { input!!.read(buffer) }

        override fun close() {
            thread.execute { closeInput() }
            thread.shutdown()
        }

        private fun closeInput() {
            try {
                input?.close()
            } catch (_: Exception) {
                // Everything was read, or nobody waits for it.
            }
        }

        private fun <T> await(work: () -> T): T {
            val result = thread.submit(work)
            while (true) {
                job.throwIfCanceled()
                try {
                    return result.get(POLL_MILLIS, TimeUnit.MILLISECONDS)
                } catch (_: TimeoutException) {
                    continue
                } catch (error: ExecutionException) {
                    throw error.cause ?: error
                }
            }
        }
    }

    private companion object {
        const val POLL_MILLIS = 50L
    }
}
