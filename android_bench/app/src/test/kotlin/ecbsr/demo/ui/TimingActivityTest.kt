package ecbsr.demo.ui

import android.content.Intent
import android.os.Bundle
import android.os.Parcel
import android.os.PowerManager
import android.view.View
import android.view.ViewGroup
import ecbsr.demo.Fixtures
import ecbsr.demo.GatedEngineFactory
import ecbsr.demo.R
import ecbsr.demo.Screen
import ecbsr.demo.TimingRecord
import ecbsr.demo.core.ThermalSample
import ecbsr.demo.deviceInfo
import java.util.concurrent.Semaphore
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf

class TimingActivityTest : Screen() {
    @Test
    fun measuresAndExports() {
        viewModel.selectModel("ecbsr-m4c16-x2-int8")
        settle()
        val activity = start(TimingActivity::class.java)
        activity.screenshot("timing-before")
        activity.findViewById<View>(R.id.start).performClick()
        assertEquals("Stop", activity.text(R.id.start))
        settle()
        val rows = viewModel.timing!!.rows
        assertEquals(16, rows.size)
        assertEquals(8, rows.count { it.status == "ok" })
        assertEquals(8, rows.count { it.status == "unsupported" && it.median == null })
        activity.screenshot("timing")

        shadowOf(activity).clickMenuItem(R.id.save)
        val (uri, output) = writableDocument("ecbsr-timing.json")
        activity.pick(uri)
        settle()
        val json = JSONObject(output.toString())
        assertEquals(16, json.getJSONArray("results").length())
        shadowOf(activity).clickMenuItem(R.id.share)
        settle()
        assertEquals(Intent.ACTION_CHOOSER, shadowOf(activity).nextStartedActivity.action)
    }

    @Test
    fun theTimesOfAFileAreNotThoseOfAnotherOneWithItsName() {
        viewModel.importModel(document(Fixtures.model("made-y-x2-open"), "mine.tflite"))
        settle()
        val activity = start(TimingActivity::class.java)
        activity.findViewById<View>(R.id.start).performClick()
        settle()
        assertTrue("ms" in activity.findViewById<ViewGroup>(R.id.rows).getChildAt(1).text(R.id.median))
        viewModel.importModel(document(Fixtures.model("made-y-x4-int8"), "mine.tflite"))
        settle()
        assertEquals("–", activity.findViewById<ViewGroup>(R.id.rows).getChildAt(1).text(R.id.median))
    }

    @Test
    fun whatSlowsThePhoneOrIsUnknownIsSaid() {
        shadowOf(app.getSystemService(PowerManager::class.java)).setIsPowerSaveMode(true)
        viewModel.importModel(document(Fixtures.model("made-y-x2-fixed"), "fixed.tflite")) // of one size
        settle()
        val activity = start(TimingActivity::class.java)
        assertTrue(activity.text(R.id.thermal), "battery saver" in activity.text(R.id.thermal))
        activity.findViewById<View>(R.id.start).performClick()
        settle()
        val notes = JSONObject(viewModel.timing!!.toJson(deviceInfo(), app.protocol)).getJSONObject("devices").getJSONObject(deviceInfo().name)
            .getJSONArray("notes").join(" ")
        assertTrue(notes, "battery saver was on" in notes && "no thermal status" !in notes)
        val unknown = TimingRecord("now").apply { put(viewModel.timing!!.rows.first(), ThermalSample(0.0, null), false) }
        assertTrue("no thermal status" in unknown.toJson(deviceInfo(), app.protocol))
    }

    @Test
    fun aScreenThatOpensDuringATaskLoadsItsModelAfterwards() {
        viewModel.openSample()
        val activity = start(TimingActivity::class.java)
        assertTrue(activity.text(R.id.model), activity.text(R.id.model).isNotEmpty())
        assertTrue(activity.findViewById<View>(R.id.start).isEnabled)
    }

    @Test
    fun stopsInTheBackgroundAndKeepsItsRows() {
        val engines = GatedEngineFactory(Semaphore(4)) // the runs of one round
        app.engines = engines
        viewModel.selectModel("ecbsr-m4c16-x2-int8")
        settle()
        val controller = Robolectric.buildActivity(TimingActivity::class.java).setup()
        controller.get().findViewById<View>(R.id.start).performClick()
        waitUntil { viewModel.timing!!.rows.isNotEmpty() }
        val state = Bundle()
        controller.pause().stop()
        assertNull(viewModel.task)
        val rows = viewModel.timing!!.rows.size
        controller.saveInstanceState(state).destroy()
        endProcess()
        val again = Robolectric.buildActivity(TimingActivity::class.java).setup(parcelled(state)).get()
        settle()
        assertEquals(rows, viewModel.timing!!.rows.size)
        assertTrue("ms" in again.findViewById<ViewGroup>(R.id.rows).getChildAt(1).text(R.id.median))
        engines.open()
    }

    /** The state outlives an update of the app. */
    @Test
    fun theStateOfAnotherVersionIsForgotten() {
        val controller = Robolectric.buildActivity(TimingActivity::class.java).setup()
        settle()
        viewModel.timing = TimingRecord("now")
        val state = Bundle()
        controller.pause().stop().saveInstanceState(state).destroy()
        val bytes = state.getByteArray("record")!!
        val name = String(bytes, Charsets.ISO_8859_1).indexOf("TimingRecord")
        for (damaged in listOf(bytes.clone().also { it[name] = 'X'.code.toByte() }, bytes.copyOf(bytes.size / 2), ByteArray(0))) {
            state.putByteArray("record", damaged)
            endProcess()
            Robolectric.buildActivity(TimingActivity::class.java).setup(parcelled(state)).get()
            settle()
            assertNull(viewModel.timing)
        }
    }

    /** Writes and reads the bundle, as the system does. */
    private fun parcelled(bundle: Bundle): Bundle {
        val parcel = Parcel.obtain()
        parcel.writeBundle(bundle)
        val bytes = parcel.marshall()
        parcel.recycle()
        val copy = Parcel.obtain()
        copy.unmarshall(bytes, 0, bytes.size)
        copy.setDataPosition(0)
        return copy.readBundle(javaClass.classLoader)!!.also { copy.recycle() }
    }
}
