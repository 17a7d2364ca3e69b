package ecbsr.demo.io

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import java.io.File
import java.io.FileNotFoundException

/** Lets the app that something is shared with read that one file, and nothing else. */
class SharedFiles : ContentProvider() {
    override fun onCreate() = true

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        if (mode != "r") throw FileNotFoundException("read only")
        return ParcelFileDescriptor.open(file(uri), ParcelFileDescriptor.MODE_READ_ONLY)
    }

    override fun getType(uri: Uri) = if (uri.path.orEmpty().endsWith(".json")) "application/json" else "image/png"

    override fun query(uri: Uri, columns: Array<String>?, where: String?, arguments: Array<String>?, order: String?): Cursor {
        val file = file(uri)
        val known = mapOf(OpenableColumns.DISPLAY_NAME to file.name, OpenableColumns.SIZE to file.length())
        val wanted = (columns ?: known.keys.toTypedArray()).filter { it in known }
        return MatrixCursor(wanted.toTypedArray()).apply { addRow(wanted.map { known.getValue(it) }) }
    }

    override fun insert(uri: Uri, values: ContentValues?) = throw UnsupportedOperationException("read only")

    override fun update(uri: Uri, values: ContentValues?, where: String?, arguments: Array<String>?) =
        throw UnsupportedOperationException("read only")

    override fun delete(uri: Uri, where: String?, arguments: Array<String>?) = throw UnsupportedOperationException("read only")

    private fun file(uri: Uri): File {
        val file = File(folder(context!!), uri.lastPathSegment.orEmpty())
        // A name such as ../x would lead out of the folder.
        if (file.canonicalFile.parentFile != folder(context!!).canonicalFile || !file.isFile) throw FileNotFoundException("$uri")
        return file
    }

    companion object {
        fun folder(context: Context) = File(context.cacheDir, "shared")

        fun uri(context: Context, file: File): Uri =
            Uri.Builder().scheme("content").authority("${context.packageName}.files").appendPath(file.name).build()
    }
}
