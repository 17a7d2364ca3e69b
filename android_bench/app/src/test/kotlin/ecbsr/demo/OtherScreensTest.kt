package ecbsr.demo

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.view.ViewGroup
import android.widget.RadioButton
import android.widget.TextView
import ecbsr.demo.ui.ModelsActivity
import ecbsr.demo.ui.TimingActivity
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf

class OtherScreensTest : Screen() {
    @Test
    fun aModelIsChosenByATouch() {
        workbench.choose("ecbsr-m4c16-x2-int8")
        settle()
        val activity = start(ModelsActivity::class.java)
        assertEquals(listOf("ecbsr-m4c16-x2-int8", "ecbsr-m4c16-x4-int8"), activity.names())
        assertEquals("×2 · luma · int8 · any size", activity.row(0).text(R.id.facts))
        activity.row(1).performClick()
        settle()
        assertEquals(4, workbench.model!!.scale)
        assertTrue(activity.row(1).findViewById<RadioButton>(R.id.chosen).isChecked)
        assertEquals(View.GONE, activity.row(1).findViewById<View>(R.id.remove).visibility)
        activity.picture("models")
    }

    @Test
    fun anyModelIsOpenedKeptAndRemoved() {
        val activity = start(ModelsActivity::class.java)
        for (name in listOf("made-rgb-x3-float", "made-rgb-x2-uint8", "made-y-x2-fixed", "made-y-x2-open")) {
            activity.findViewById<View>(R.id.add).performClick()
            activity.answer(document(Fixtures.model(name), "$name.tflite"))
            settle()
            assertNull(name, workbench.message)
            assertEquals(name, workbench.model!!.name)
        }
        activity.picture("models-own")
        endProcess()
        assertTrue("made-rgb-x3-float" in workbench.models.names())
        workbench.choose("made-rgb-x3-float")
        settle()
        val again = start(ModelsActivity::class.java)
        val at = again.names().indexOf("made-rgb-x3-float")
        assertEquals("×3 · RGB · fp32 · any size", again.row(at).text(R.id.facts))
        again.row(at).findViewById<View>(R.id.remove).performClick()
        settle()
        assertFalse("made-rgb-x3-float" in again.names())
        assertEquals("ecbsr-m4c16-x2-int8", workbench.model!!.name)
    }

    @Test
    fun badModelsGetASentenceAndAreNotKept() {
        workbench.choose("ecbsr-m4c16-x2-int8")
        settle()
        val activity = start(ModelsActivity::class.java)
        val before = activity.names()
        val whole = Fixtures.model("ecbsr-m4c16-x2-int8")
        val bad = Fixtures.wrong.map { it.readBytes() to "This is not a super-resolution model: " } + listOf(
            ByteArray(0) to "The file is empty.",
            Fixtures.pictures.first().readBytes() to "The file is not a .tflite",
            whole.copyOf(whole.size / 2) to "The .tflite is damaged or only part of a file",
            ByteArray(65 * 1024 * 1024) to "The file is larger than 64 MB.",
        )
        for ((bytes, sentence) in bad) {
            workbench.addModel(document(bytes, "bad.tflite"))
            settle()
            assertTrue(activity.text(R.id.message), activity.text(R.id.message).startsWith(sentence))
            assertEquals(before, activity.names())
        }
        workbench.addModel(document(Fixtures.wrong.first().readBytes(), "classifier.tflite"))
        settle()
        activity.picture("model-refused")
        assertEquals("ecbsr-m4c16-x2-int8", workbench.model!!.name)
    }

    @Test
    fun aModelWithTheNameOfABundledOneStandsBesideIt() {
        workbench.addModel(document(Fixtures.model("made-y-x4-int8"), "ecbsr-m4c16-x2-int8.tflite"))
        settle()
        assertEquals("ecbsr-m4c16-x2-int8 (2)", workbench.model!!.name)
        assertEquals(4, workbench.model!!.scale)
        workbench.addModel(document(Fixtures.model("made-y-x4-int8"), "../../etc/x.tflite"))
        settle()
        assertFalse(workbench.model!!.name, "/" in workbench.model!!.name)
    }

    @Test
    fun timingFillsItsRowsAndExportsThem() {
        workbench.choose("ecbsr-m4c16-x2-int8")
        settle()
        val activity = start(TimingActivity::class.java)
        activity.picture("timing-before")
        activity.findViewById<View>(R.id.start).performClick()
        assertEquals("Stop", activity.text(R.id.start))
        settle()
        val rows = workbench.timing!!.rows
        assertEquals(16, rows.size)
        assertEquals(8, rows.count { it.status == "ok" })
        assertEquals(8, rows.count { it.status == "unsupported" && it.median == null })
        activity.picture("timing")

        shadowOf(activity).clickMenuItem(R.id.save)
        val (uri, out) = place("ecbsr-timing.json")
        activity.answer(uri)
        settle()
        val json = JSONObject(out.toString())
        assertEquals(16, json.getJSONArray("results").length())
        shadowOf(activity).clickMenuItem(R.id.share)
        settle()
        assertEquals(Intent.ACTION_CHOOSER, shadowOf(activity).nextStartedActivity.action)
    }

    @Test
    fun timingStopsAndKeepsWhatThereIsWhenTheScreenIsLeftAndTheAppEnded() {
        workbench.choose("ecbsr-m4c16-x2-int8")
        settle()
        val controller = Robolectric.buildActivity(TimingActivity::class.java).setup()
        controller.get().findViewById<View>(R.id.start).performClick()
        while (workbench.timing!!.rows.isEmpty()) {
            Thread.sleep(10)
            shadowOf(android.os.Looper.getMainLooper()).idle()
        }
        val state = Bundle()
        controller.pause().stop()
        assertNull(workbench.task)
        val kept = workbench.timing!!.rows.size
        controller.saveInstanceState(state).destroy()
        endProcess()
        val again = Robolectric.buildActivity(TimingActivity::class.java).setup(parcelled(state)).get()
        settle()
        assertEquals(kept, workbench.timing!!.rows.size)
        assertTrue("ms" in again.findViewById<ViewGroup>(R.id.rows).getChildAt(1).text(R.id.median))
    }

    @Test
    fun darkLargeAndRightToLeft() {
        workbench.choose("ecbsr-m4c16-x4-int8")
        settle()
        for ((suffix, qualifiers, font) in listOf(
            Triple("dark", "+night", 1f), Triple("large", "+notnight", 2f), Triple("rtl", "+ar-ldrtl", 1f),
            Triple("landscape", "+en-ldltr-land", 1f),
        )) {
            RuntimeEnvironment.setQualifiers(qualifiers)
            RuntimeEnvironment.setFontScale(font)
            for ((name, screen) in listOf("models" to ModelsActivity::class.java, "timing" to TimingActivity::class.java)) {
                val controller = Robolectric.buildActivity(screen).setup()
                settle()
                controller.get().picture("$name-$suffix")
                for (text in texts(controller.get().window.decorView.findViewById(android.R.id.content))) {
                    assertFalse("$name-$suffix: ${text.text}", text.cutOff())
                }
                controller.pause().stop().destroy()
            }
        }
    }

    private fun <T : Activity> start(screen: Class<T>): T = Robolectric.buildActivity(screen).setup().get().also { settle() }

    private fun Activity.names() = findViewById<ViewGroup>(R.id.list).let { list ->
        (0 until list.childCount).map { list.getChildAt(it).text(R.id.name) }
    }

    private fun Activity.row(at: Int): View = findViewById<ViewGroup>(R.id.list).getChildAt(at)

    private fun Activity.text(id: Int) = findViewById<TextView>(id).text.toString()

    private fun View.text(id: Int) = findViewById<TextView>(id).text.toString()

    private fun texts(view: View): List<TextView> = when {
        view.visibility != View.VISIBLE -> emptyList()
        view is TextView -> listOf(view)
        view is ViewGroup -> (0 until view.childCount).flatMap { texts(view.getChildAt(it)) }
        else -> emptyList()
    }

    /** Through bytes, as the system does it. */
    private fun parcelled(bundle: Bundle): Bundle {
        val parcel = android.os.Parcel.obtain()
        parcel.writeBundle(bundle)
        val bytes = parcel.marshall()
        parcel.recycle()
        val back = android.os.Parcel.obtain()
        back.unmarshall(bytes, 0, bytes.size)
        back.setDataPosition(0)
        return back.readBundle(javaClass.classLoader)!!.also { back.recycle() }
    }
}
