package ecbsr.demo.io

import android.content.ContentProvider
import android.content.ContentValues
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.provider.OpenableColumns
import ecbsr.demo.Screen
import ecbsr.demo.core.CanceledException
import ecbsr.demo.core.Job
import java.util.concurrent.CountDownLatch
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test
import org.robolectric.shadows.ShadowContentResolver

class DocumentsTest : Screen() {
    @Test
    fun theNameIsFoundInWhateverAProviderGives() {
        val all = MatrixCursor(arrayOf("_id", OpenableColumns.SIZE, OpenableColumns.DISPLAY_NAME)).apply { addRow(arrayOf<Any>(7, 8, "cat.png")) }
        assertEquals("cat.png", name { all })
        val path = "file in a path.png"
        assertEquals(path, name { null })
        assertEquals(path, name { MatrixCursor(arrayOf("_id")).apply { addRow(arrayOf(7)) } })
        assertEquals(path, name { MatrixCursor(arrayOf(OpenableColumns.DISPLAY_NAME)) })
        assertEquals(path, name { MatrixCursor(arrayOf(OpenableColumns.DISPLAY_NAME)).apply { addRow(arrayOf(null)) } })
        assertEquals(path, name { throw SecurityException("no") })
        assertEquals(path, name { BrokenCursor() })
    }

    @Test
    fun aNameThatItsAppNeverGivesCanBeCanceled() {
        val job = Job()
        val answer = CountDownLatch(1)
        assertThrows(CanceledException::class.java) {
            name(job) {
                job.cancel()
                answer.await()
                null
            }
        }
        answer.countDown()
    }

    private fun name(job: Job = Job(), answer: () -> Cursor?): String {
        ShadowContentResolver.registerProviderInternal("odd.app", OddProvider(answer))
        return Documents(app.contentResolver).name(Uri.parse("content://odd.app/1/file%20in%20a%20path.png"), job)
    }

    private class BrokenCursor : MatrixCursor(arrayOf(OpenableColumns.DISPLAY_NAME)) {
        override fun onMove(oldPosition: Int, newPosition: Int) = throw IllegalStateException("the other process died")

        override fun getCount() = 1
    }

    private class OddProvider(private val answer: () -> Cursor?) : ContentProvider() {
        override fun onCreate() = true

        override fun query(uri: Uri, columns: Array<String>?, selection: String?, arguments: Array<String>?, sortOrder: String?) = answer()

        override fun getType(uri: Uri) = null

        override fun insert(uri: Uri, values: ContentValues?) = null

        override fun update(uri: Uri, values: ContentValues?, selection: String?, arguments: Array<String>?) = 0

        override fun delete(uri: Uri, selection: String?, arguments: Array<String>?) = 0
    }
}
