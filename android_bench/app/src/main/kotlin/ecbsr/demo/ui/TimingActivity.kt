package ecbsr.demo.ui

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.view.Menu
import android.view.MenuItem
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.TextView
import android.widget.Toast
import ecbsr.demo.R
import ecbsr.demo.TimingRecord
import ecbsr.demo.core.Backend
import ecbsr.demo.core.Case
import ecbsr.demo.core.Row
import ecbsr.demo.core.SrModel
import ecbsr.demo.deviceFacts
import ecbsr.demo.thermalStatus
import ecbsr.demo.workbench
import java.util.Locale

/** Milliseconds of the chosen model on this phone, per resolution and backend. */
class TimingActivity : Activity() {
    private lateinit var status: Status
    private val watcher = ::show
    private val timing get() = workbench.timing

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.timing)
        actionBar?.setDisplayHomeAsUpEnabled(true)
        status = Status(this, workbench)
        findViewById<Button>(R.id.start).setOnClickListener { if (running()) workbench.cancel() else workbench.measure() }
        @Suppress("DEPRECATION") // the typed form came with Android 13
        val saved = state?.getSerializable(RECORD) as TimingRecord?
        if (saved != null && timing == null) workbench.timing = saved
        if (workbench.model == null && workbench.task == null) workbench.choose(state?.getString(MODEL) ?: workbench.models.names().first())
    }

    override fun onStart() {
        super.onStart()
        workbench.watch(watcher)
        show()
    }

    override fun onStop() {
        super.onStop()
        // Behind another app the system slows this one down: what would be measured is not the phone.
        if (!isChangingConfigurations && running()) workbench.cancel()
        workbench.unwatch(watcher)
    }

    override fun onSaveInstanceState(out: Bundle) {
        super.onSaveInstanceState(out)
        out.putSerializable(RECORD, timing)
        workbench.model?.let { out.putString(MODEL, it.name) }
    }

    private fun running() = workbench.task?.label == R.string.task_timing

    private fun show() {
        val model = workbench.model
        findViewById<TextView>(R.id.model).text =
            model?.let { getString(R.string.timing_model, it.name, it.scale, it.precision) }.orEmpty()
        val thermal = thermalStatus()
        findViewById<TextView>(R.id.thermal).text = if (thermal == null) getString(R.string.thermal_unknown) else {
            getString(R.string.thermal, resources.getStringArray(R.array.thermal_statuses).getOrElse(thermal) { "$thermal" })
        }
        if (model != null) showRows(model)
        findViewById<Button>(R.id.start).apply {
            setText(if (running()) R.string.stop else R.string.start)
            isEnabled = model != null
        }
        status.show()
        invalidateOptionsMenu()
    }

    /** Rows keep their views, so that a screen reader does not lose its place at every figure. */
    private fun showRows(model: SrModel) {
        val list = findViewById<ViewGroup>(R.id.rows)
        val cases = workbench.cases(model)
        if (list.tag != cases) build(list, cases)
        for (case in cases) fill(list.findViewWithTag(case), timing?.rows?.firstOrNull { it.model == model.name && it.case == case })
    }

    private fun build(list: ViewGroup, cases: List<Case>) {
        list.removeAllViews()
        list.tag = cases
        for ((size, same) in cases.groupBy { it.size }) {
            val heading = layoutInflater.inflate(R.layout.heading_timing, list, false) as TextView
            heading.text = getString(R.string.size_heading, RESOLUTIONS[size.height] ?: "$size", size.width, size.height)
            list.addView(heading)
            for (case in same) {
                val row = layoutInflater.inflate(R.layout.row_timing, list, false)
                row.tag = case
                row.findViewById<TextView>(R.id.backend).text = name(case.backend)
                list.addView(row)
            }
        }
    }

    private fun fill(view: View, row: Row?) {
        view.findViewById<TextView>(R.id.median).text = row?.median?.let { getString(R.string.milliseconds, shown(it)) } ?: "–"
        view.findViewById<TextView>(R.id.details).text = if (row == null) getString(R.string.waiting) else details(row)
    }

    private fun name(backend: Backend) = when (backend) {
        is Backend.Cpu -> if (backend.threads == 1) getString(R.string.cpu_one) else getString(R.string.cpu_many, backend.threads)
        Backend.Gpu -> getString(R.string.gpu)
        Backend.Nnapi -> getString(R.string.nnapi)
    }

    private fun details(row: Row): String {
        val (p95, fps) = row.p95 to row.fps
        if (p95 == null || fps == null) return row.note
        val nodes = row.nodesDelegated?.let { getString(R.string.nodes_taken, it, row.nodesTotal) } ?: getString(R.string.nodes_unknown)
        val figures = getString(R.string.row_details, shown(p95), shown(fps), nodes)
        return if (row.note.isEmpty()) figures else "$figures\n${row.note}"
    }

    /** Three digits are all that a repeated run confirms. */
    private fun shown(value: Double) = String.format(Locale.ENGLISH, if (value < 10) "%.2f" else if (value < 100) "%.1f" else "%.0f", value)

    override fun onCreateOptionsMenu(menu: Menu): Boolean {
        menuInflater.inflate(R.menu.timing, menu)
        return true
    }

    override fun onPrepareOptionsMenu(menu: Menu): Boolean {
        val ready = timing != null && !running()
        for (id in listOf(R.id.share, R.id.save)) {
            menu.findItem(id).isEnabled = ready
            menu.findItem(id).icon?.mutate()?.alpha = if (ready) 255 else 100
        }
        return true
    }

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        when (item.itemId) {
            R.id.save -> ask(createFile("application/json", FILE), SAVE)
            R.id.share -> workbench.shareTiming(deviceFacts()) { offer(it, "application/json") }
            android.R.id.home -> finish()
            else -> return super.onOptionsItemSelected(item)
        }
        return true
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val uri = data?.data?.takeIf { result == RESULT_OK } ?: return
        workbench.saveTiming(uri, deviceFacts()) { Toast.makeText(this, R.string.saved, Toast.LENGTH_SHORT).show() }
    }

    private companion object {
        const val SAVE = 1
        const val RECORD = "record"
        const val MODEL = "model"
        const val FILE = "ecbsr-timing.json"
        val RESOLUTIONS = mapOf(270 to "270p", 360 to "360p", 540 to "540p", 720 to "720p")
    }
}
