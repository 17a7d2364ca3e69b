package ecbsr.demo.ui

import android.app.ActionBar
import android.app.Activity
import android.view.View
import android.view.ViewGroup
import android.widget.RadioButton
import ecbsr.demo.Fixtures
import ecbsr.demo.R
import ecbsr.demo.Screen
import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf

class ModelsActivityTest : Screen() {
    @Test
    fun aTouchSelectsAModel() {
        viewModel.selectModel("ecbsr-m4c16-x2-int8")
        settle()
        val activity = open()
        assertEquals(listOf("ecbsr-m4c16-x2-int8", "ecbsr-m4c16-x4-int8", "ecbsr-m4c8-x2-int8"), activity.names())
        assertEquals("×2 · luma · int8 · any size", activity.row(0).text(R.id.summary))
        activity.row(1).performClick()
        settle()
        assertEquals(4, viewModel.model!!.scale)
        assertTrue(activity.row(1).findViewById<RadioButton>(R.id.selected).isChecked)
        assertEquals(View.GONE, activity.row(1).findViewById<View>(R.id.remove).visibility)
        activity.screenshot("models")
    }

    @Test
    fun modelsAreImportedKeptAndRemoved() {
        val activity = open()
        for (name in listOf("made-rgb-x3-float", "made-rgb-x2-uint8", "made-y-x2-fixed", "made-y-x2-open")) {
            activity.findViewById<View>(R.id.add).performClick()
            activity.pick(document(Fixtures.model(name), "$name.tflite"))
            settle()
            assertNull(name, viewModel.error)
            assertEquals(name, viewModel.model!!.name)
        }
        activity.screenshot("models-own")
        endProcess()
        viewModel.selectModel("made-rgb-x3-float")
        settle()
        val again = open()
        val index = again.names().indexOf("made-rgb-x3-float")
        assertEquals("×3 · RGB · fp32 · any size", again.row(index).text(R.id.summary))
        again.row(index).findViewById<View>(R.id.remove).performClick()
        waitUntil { viewModel.task == null && "made-rgb-x3-float" !in again.names() }
        assertEquals("ecbsr-m4c16-x2-int8", viewModel.model!!.name)
    }

    @Test
    fun unusableModelsAreRejected() {
        viewModel.selectModel("ecbsr-m4c16-x2-int8")
        settle()
        val activity = open()
        val before = activity.names()
        val whole = Fixtures.model("ecbsr-m4c16-x2-int8")
        val unusable = Fixtures.wrong.map { it.readBytes() to "This is not a super-resolution model: " } + listOf(
            ByteArray(0) to "The file is empty.",
            Fixtures.pictures.first().readBytes() to "The file is not a .tflite",
            whole.copyOf(whole.size / 2) to "The .tflite is damaged or incomplete",
            ByteArray(65 * 1024 * 1024) to "The file is larger than 64 MB.",
        )
        for ((bytes, message) in unusable) {
            viewModel.importModel(document(bytes, "bad.tflite"))
            settle()
            assertTrue(activity.text(R.id.error), activity.text(R.id.error).startsWith(message))
            assertEquals(before, activity.names())
        }
        viewModel.importModel(document(Fixtures.wrong.first().readBytes(), "classifier.tflite"))
        settle()
        activity.screenshot("model-rejected")
        assertEquals("ecbsr-m4c16-x2-int8", viewModel.model!!.name)
    }

    @Test
    fun theListWaitsForASlowStorageWithoutTheMainThread() {
        val bytes = Fixtures.model("made-y-x2-open")
        val pipe = File(app.filesDir, "models/slow.tflite").apply { parentFile!!.mkdirs() }
        ProcessBuilder("mkfifo", pipe.path).start().waitFor()
        val activity = Robolectric.buildActivity(ModelsActivity::class.java).setup().get() // reading the pipe waits for its writer
        pipe.outputStream().use { it.write(bytes) }
        waitUntil { "slow" in activity.names() }
        pipe.delete()
    }

    @Test
    fun progressKeepsTheListAsItIs() {
        val activity = open()
        val row = activity.row(0)
        viewModel.selectModel(viewModel.model!!.name)
        settle()
        assertSame(row, activity.row(0))
    }

    @Test
    fun whatIsAssumedAboutAFloatFileIsSaid() {
        val activity = open()
        viewModel.importModel(document(Fixtures.file("ranges/bytes.tflite").readBytes(), "bytes.tflite"))
        waitUntil { viewModel.task == null && "bytes" in activity.names() }
        val details = activity.row(activity.names().indexOf("bytes")).text(R.id.details)
        assertTrue(details, "Values in the file, assumed: 0..255 in, 0..255 out\n" in details)
        viewModel.importModel(document(Fixtures.model("made-rgb-x3-float"), "random.tflite"))
        waitUntil { viewModel.task == null && "random" in activity.names() }
        val warning = activity.row(activity.names().indexOf("random")).text(R.id.details)
        assertTrue(warning, "it may take other values or colors" in warning)
    }

    @Test
    fun theUpButtonReturnsToThePictureScreen() {
        val activity = open()
        assertTrue(activity.actionBar!!.displayOptions and ActionBar.DISPLAY_HOME_AS_UP != 0)
        shadowOf(activity).clickMenuItem(android.R.id.home)
        assertTrue(activity.isFinishing)
        assertNull(shadowOf(activity).nextStartedActivity)
    }

    /** The screen with its list. */
    private fun open(): ModelsActivity = start(ModelsActivity::class.java).also { activity ->
        if (viewModel.model == null) viewModel.loadModelIfNone(null)
        waitUntil { viewModel.task == null && activity.names().isNotEmpty() }
    }

    private fun Activity.names() = findViewById<ViewGroup>(R.id.list).let { list ->
        (0 until list.childCount).map { list.getChildAt(it).text(R.id.name) }
    }

    private fun Activity.row(index: Int): View = findViewById<ViewGroup>(R.id.list).getChildAt(index)
}
