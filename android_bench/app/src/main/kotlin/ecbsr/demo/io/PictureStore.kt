package ecbsr.demo.io

import android.content.Context
import android.graphics.BitmapFactory
import android.net.Uri
import ecbsr.demo.core.Job
import ecbsr.demo.core.Pixels
import ecbsr.demo.core.UserFacingException
import java.io.File
import java.io.InputStream

/** Keeps a copy of the last opened picture in the cache, so that it survives the end of the process. */
class PictureStore(private val context: Context) {
    private val stored = File(context.cacheDir, "picture")
    private val incoming = File(context.cacheDir, "picture.new")
    private val documents = Documents(context.contentResolver)

    fun openSample(): PictureFile {
        sample { input -> incoming.outputStream().use { input.copyTo(it) } }
        return openIncoming(SAMPLE)
    }

    fun open(uri: Uri, job: Job): PictureFile {
        documents.copy(uri, incoming, MAX_BYTES, job)
        return openIncoming(documents.name(uri, job))
    }

    /** Opens the picture of the last process. [name] is its display name. */
    fun reopen(name: String): PictureFile {
        if (!stored.exists()) throw UserFacingException("The picture is no longer available: open it again.")
        return PictureFile.open(stored, name)
    }

    fun samplePixels(): Pixels = sample { BitmapFactory.decodeStream(it).toPixels() }

    /** An unreadable picture does not replace the stored one. */
    private fun openIncoming(name: String) = PictureFile.open(incoming, name).also { incoming.renameTo(stored) }

    private fun <T> sample(read: (InputStream) -> T): T = context.assets.open(SAMPLE).use(read)

    private companion object {
        const val SAMPLE = "chelsea.png"
        const val MAX_BYTES = 512L * 1024 * 1024
    }
}
