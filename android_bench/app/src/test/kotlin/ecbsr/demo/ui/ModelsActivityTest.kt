package ecbsr.demo.ui

import android.app.ActionBar
import android.app.Activity
import android.view.View
import android.view.ViewGroup
import android.widget.RadioButton
import ecbsr.demo.Fixtures
import ecbsr.demo.R
import ecbsr.demo.Screen
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Shadows.shadowOf

class ModelsActivityTest : Screen() {
    @Test
    fun aTouchSelectsAModel() {
        viewModel.selectModel("ecbsr-m4c16-x2-int8")
        settle()
        val activity = start(ModelsActivity::class.java)
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
        val activity = start(ModelsActivity::class.java)
        for (name in listOf("made-rgb-x3-float", "made-rgb-x2-uint8", "made-y-x2-fixed", "made-y-x2-open")) {
            activity.findViewById<View>(R.id.add).performClick()
            activity.pick(document(Fixtures.model(name), "$name.tflite"))
            settle()
            assertNull(name, viewModel.error)
            assertEquals(name, viewModel.model!!.name)
        }
        activity.screenshot("models-own")
        endProcess()
        assertTrue("made-rgb-x3-float" in viewModel.models.names())
        viewModel.selectModel("made-rgb-x3-float")
        settle()
        val again = start(ModelsActivity::class.java)
        val index = again.names().indexOf("made-rgb-x3-float")
        assertEquals("×3 · RGB · fp32 · any size", again.row(index).text(R.id.summary))
        again.row(index).findViewById<View>(R.id.remove).performClick()
        settle()
        assertFalse("made-rgb-x3-float" in again.names())
        assertEquals("ecbsr-m4c16-x2-int8", viewModel.model!!.name)
    }

    @Test
    fun unusableModelsAreRejected() {
        viewModel.selectModel("ecbsr-m4c16-x2-int8")
        settle()
        val activity = start(ModelsActivity::class.java)
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
    fun theUpButtonReturnsToThePictureScreen() {
        val activity = start(ModelsActivity::class.java)
        assertTrue(activity.actionBar!!.displayOptions and ActionBar.DISPLAY_HOME_AS_UP != 0)
        shadowOf(activity).clickMenuItem(android.R.id.home)
        assertTrue(activity.isFinishing)
        assertNull(shadowOf(activity).nextStartedActivity)
    }

    private fun Activity.names() = findViewById<ViewGroup>(R.id.list).let { list ->
        (0 until list.childCount).map { list.getChildAt(it).text(R.id.name) }
    }

    private fun Activity.row(index: Int): View = findViewById<ViewGroup>(R.id.list).getChildAt(index)
}
