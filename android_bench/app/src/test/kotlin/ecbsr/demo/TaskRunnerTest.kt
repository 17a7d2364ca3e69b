package ecbsr.demo

import android.net.Uri
import android.view.View
import ecbsr.demo.core.EngineFactory
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.util.concurrent.CountDownLatch
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Shadows.shadowOf

class TaskRunnerTest : PictureScreen() {
    /** A document of another app. */
    private val uri = Uri.parse("content://other.app/slow")

    @Test
    fun anEndlessFileCanBeCanceled() {
        val reading = CountDownLatch(1)
        val input = object : InputStream() {
            override fun read() = 0

            override fun read(buffer: ByteArray, offset: Int, length: Int): Int = 0.also { reading.countDown() }
        }
        shadowOf(app.contentResolver).registerInputStreamSupplier(uri) { input }
        cancelsAndOpensAnother(reading) { viewModel.openPicture(uri) }
    }

    @Test
    fun aFileThatItsAppNeverProvidesCanBeCanceled() {
        val reading = CountDownLatch(1)
        val answer = CountDownLatch(1)
        val closed = CountDownLatch(1)
        val input = object : InputStream() {
            override fun read() = -1

            override fun read(buffer: ByteArray, offset: Int, length: Int): Int {
                reading.countDown()
                answer.await()
                return -1
            }

            override fun close() = closed.countDown()
        }
        shadowOf(app.contentResolver).registerInputStreamSupplier(uri) { input }
        cancelsAndOpensAnother(reading) { viewModel.openPicture(uri) }
        answer.countDown()
        closed.await()
    }

    @Test
    fun aFileThatItsAppNeverTakesCanBeCanceled() {
        val writing = CountDownLatch(1)
        val answer = CountDownLatch(1)
        val closed = CountDownLatch(1)
        val output = object : OutputStream() {
            override fun write(byte: Int) = error("bytes come in blocks")

            override fun write(bytes: ByteArray, offset: Int, length: Int) {
                writing.countDown()
                answer.await()
            }

            override fun close() = closed.countDown()
        }
        shadowOf(app.contentResolver).registerOutputStreamSupplier(uri) { output }
        cancelsAndOpensAnother(writing) { viewModel.savePicture(uri) { error("canceled") } }
        answer.countDown()
        closed.await()
    }

    /** The user cancels the task of [action] once the other app has [begun] to answer; the next task does not wait for it. */
    private fun cancelsAndOpensAnother(begun: CountDownLatch, action: () -> Unit) {
        val activity = start()
        action()
        begun.await()
        activity.findViewById<View>(R.id.cancel).performClick()
        viewModel.openPicture(document(Fixtures.file("pictures/text.png").readBytes(), "text.png"))
        settle()
        assertEquals("text.png", activity.text(R.id.name))
    }

    @Test
    fun anUnexpectedExceptionIsShown() {
        app.engines = EngineFactory { _, _ -> error("odd") }
        val activity = start()
        assertTrue(activity.text(R.id.error), activity.text(R.id.error).startsWith("An unexpected error occurred: "))
    }

    @Test
    fun missingMemoryIsShown() {
        app.engines = EngineFactory { _, _ -> throw OutOfMemoryError() }
        val activity = start()
        assertTrue(activity.text(R.id.error), activity.text(R.id.error).startsWith("There is not enough memory"))
        activity.screenshot("no-memory")
    }

    @Test
    fun aFailingRuntimeIsShown() {
        app.engines = EngineFactory { model, backend -> DesktopEngineFactory.open(model.also { it.put(4, 0) }, backend) }
        val activity = start()
        assertEquals("The runtime rejected the model.", activity.text(R.id.error))
    }

    @Test
    fun aNewTaskReplacesTheRunningOne() {
        val release = CountDownLatch(1)
        val results = mutableListOf<String>()
        val tasks = TaskRunner {}
        tasks.start(R.string.task_save, { release.await(); "first" }, results::add)
        tasks.start(R.string.task_model, { "second" }, results::add)
        assertEquals(R.string.task_model, tasks.task!!.label)
        release.countDown()
        waitUntil { tasks.task == null }
        assertEquals(listOf("second"), results)
        assertNull(tasks.error)
    }

    @Test
    fun aResultThatNobodyReceivesIsClosed() {
        val begun = CountDownLatch(1)
        val release = CountDownLatch(1)
        val closed = CountDownLatch(1)
        val tasks = TaskRunner {}
        tasks.start(R.string.task_open, { begun.countDown(); release.await(); AutoCloseable(closed::countDown) }) { error("replaced") }
        begun.await()
        tasks.start(R.string.task_model, {}) {}
        release.countDown()
        waitUntil { tasks.task == null }
        closed.await()
    }

    @Test
    fun theNextTaskClearsTheError() {
        val tasks = TaskRunner {}
        tasks.start(R.string.task_save, { throw IOException("disk full") }) {}
        waitUntil { tasks.task == null }
        assertEquals("The phone's storage failed: disk full.", tasks.error)
        tasks.start(R.string.task_save, {}) {}
        assertNull(tasks.error)
        waitUntil { tasks.task == null }
    }
}
