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
    /** The display name of the document, or else the last path segment of its URI. @throws CanceledException after [Job.cancel]. */
    fun name(uri: Uri, job: Job): String {
        val displayName = try {
            Provider(job).use { it.call { resolver.query(uri, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)?.use(::displayName) } }
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

    /**
     * Writes a document, and deletes it if [write] fails or is canceled.
     *
     * @throws UserFacingException when writing fails. @throws CanceledException after [Job.cancel].
     */
    fun write(uri: Uri, job: Job, write: (OutputStream) -> Unit) = Provider(job).use { provider ->
        var complete = false
        var output: OutputStream? = null
        try {
            provider.call { output = resolver.openOutputStream(uri, "wt") ?: throw FileNotFoundException("it cannot be opened") }
            provider.stream(output!!).buffered(BUFFER_BYTES).use(write)
            complete = true
        } catch (error: IOException) {
            throw UserFacingException("The file cannot be written: ${error.message}.", error)
        } catch (error: SecurityException) {
            throw UserFacingException("The app has no permission to write the file: choose another location.", error)
        } finally {
            if (!complete) {
                provider.callLater { output?.close() }
                // Not every app supports deletion. Readers detect the incomplete PNG.
                provider.callLater { DocumentsContract.deleteDocument(resolver, uri) }
            }
        }
    }

    private fun copy(uri: Uri, output: OutputStream, maxBytes: Long, job: Job) = try {
        Provider(job).use { copy(it, uri, output, maxBytes) }
    } catch (error: IOException) {
        throw UserFacingException("The file cannot be read: ${error.message}.", error)
    } catch (error: SecurityException) {
        throw UserFacingException("The app has no permission to read the file: share or choose it again.", error)
    } catch (error: RuntimeException) {
        throw UserFacingException("The other app failed to provide the file: ${error.message}.", error)
    }

    private fun copy(provider: Provider, uri: Uri, output: OutputStream, maxBytes: Long) {
        var input: InputStream? = null
        try {
            provider.call { input = resolver.openInputStream(uri) ?: throw FileNotFoundException("it does not exist") }
            val buffer = ByteArray(BUFFER_BYTES)
            var total = 0L
            while (true) {
                val count = provider.call { input!!.read(buffer) }
                if (count < 0) return
                total += count
                if (total > maxBytes) throw UserFacingException("The file is larger than ${maxBytes / 1024 / 1024} MB.")
                output.write(buffer, 0, count)
            }
        } finally {
            provider.callLater { input?.close() }
        }
    }

    /**
     * Calls the app that provides a document in a thread of its own. That app can take any time, as for a remote file, and
     * cannot be interrupted: a canceled [job] leaves the thread behind, which ends once its calls are answered.
     */
    private class Provider(private val job: Job) : Closeable {
        private val thread = Executors.newSingleThreadExecutor { Thread(it, "document") }

        /** Waits for [work]. @throws CanceledException after [Job.cancel]. */
        fun <T> call(work: () -> T): T {
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

        /** Runs [work] after the earlier calls; nobody waits for it, or learns that it failed. */
        fun callLater(work: () -> Unit) {
            thread.submit(work)
        }

        /** [output] with all its calls in the thread. */
        fun stream(output: OutputStream) = object : OutputStream() {
            override fun write(byte: Int) = call { output.write(byte) }

            override fun write(bytes: ByteArray, offset: Int, length: Int) = call { output.write(bytes, offset, length) }

            override fun flush() = call { output.flush() }

            override fun close() = call { output.close() }
        }

        override fun close() = thread.shutdown()
    }

    private companion object {
        const val POLL_MILLIS = 50L
        const val BUFFER_BYTES = 64 * 1024
    }
}
