package ecbsr.demo.io

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import ecbsr.demo.core.UserFacingException
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.io.OutputStream

/** Gives other apps read access to a shared file, and to nothing else. */
class SharedFiles : ContentProvider() {
    override fun onCreate() = true

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        if (mode != "r") throw FileNotFoundException("read only")
        return ParcelFileDescriptor.open(file(uri), ParcelFileDescriptor.MODE_READ_ONLY)
    }

    override fun getType(uri: Uri) = if (uri.path.orEmpty().endsWith(".json")) "application/json" else "image/png"

    override fun query(uri: Uri, columns: Array<String>?, selection: String?, arguments: Array<String>?, sortOrder: String?): Cursor {
        val file = file(uri)
        val values = mapOf(OpenableColumns.DISPLAY_NAME to file.name, OpenableColumns.SIZE to file.length())
        val requested = (columns ?: values.keys.toTypedArray()).filter { it in values }
        return MatrixCursor(requested.toTypedArray()).apply { addRow(requested.map { values.getValue(it) }) }
    }

    override fun insert(uri: Uri, values: ContentValues?) = throw UnsupportedOperationException("read only")

    override fun update(uri: Uri, values: ContentValues?, selection: String?, arguments: Array<String>?) =
        throw UnsupportedOperationException("read only")

    override fun delete(uri: Uri, selection: String?, arguments: Array<String>?) = throw UnsupportedOperationException("read only")

    private fun file(uri: Uri): File {
        val file = File(folder(context!!), uri.lastPathSegment.orEmpty())
        // Rejects names such as ../x, which point outside the folder.
        if (file.canonicalFile.parentFile != folder(context!!).canonicalFile || !file.isFile) throw FileNotFoundException("$uri")
        return file
    }

    companion object {
        /** Writes a file that other apps can read, and deletes the previous one. @throws UserFacingException when writing fails. */
        fun create(context: Context, name: String, write: (OutputStream) -> Unit): Uri {
            val folder = folder(context)
            folder.deleteRecursively()
            folder.mkdirs()
            try {
                File(folder, name).outputStream().buffered().use(write)
            } catch (error: IOException) {
                throw UserFacingException("The result cannot be written: ${error.message}.", error)
            }
            return Uri.Builder().scheme("content").authority("${context.packageName}.files").appendPath(name).build()
        }

        private fun folder(context: Context) = File(context.cacheDir, "shared")
    }
}
