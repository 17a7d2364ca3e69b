package ecbsr.demo.ui

import android.net.Uri
import android.os.Bundle
import android.view.MenuItem
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.TextView
import ecbsr.demo.R
import ecbsr.demo.ResultExporter
import ecbsr.demo.TimingRecord
import ecbsr.demo.core.Case
import ecbsr.demo.core.Row
import ecbsr.demo.core.SrModel
import ecbsr.demo.isBatterySaverOn
import ecbsr.demo.thermalStatus

/** Measures the latency of the selected model on this phone, per resolution and backend. */
class TimingActivity : DemoActivity(R.layout.timing, R.menu.timing) {
    private val isMeasuring get() = viewModel.task?.label == R.string.task_timing

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        findViewById<Button>(R.id.start).setOnClickListener { if (isMeasuring) viewModel.cancel() else viewModel.measure() }
        if (viewModel.timing == null) viewModel.timing = state?.savedObject<TimingRecord>(RECORD)
        loadModelIfNone()
    }

    override fun onStop() {
        // In the background the system slows the app down, so the times would be wrong.
        if (!isChangingConfigurations && isMeasuring) viewModel.cancel()
        super.onStop()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        state.saveObject(RECORD, viewModel.timing)
    }

    override fun show() {
        val model = viewModel.model
        findViewById<TextView>(R.id.model).text =
            model?.let { getString(R.string.timing_model, it.name, it.scale, it.precision) }.orEmpty()
        findViewById<TextView>(R.id.thermal).text =
            listOfNotNull(thermalText(thermalStatus()), getString(R.string.battery_saver).takeIf { isBatterySaverOn }).joinToString("\n")
        if (model != null) showRows(model)
        findViewById<Button>(R.id.start).apply {
            setText(if (isMeasuring) R.string.stop else R.string.start)
            isEnabled = model != null
        }
        if (viewModel.error == null) loadModelIfNone() // a task ran when the screen opened
    }

    /** Updates the rows in place, so that a screen reader keeps its position. */
    private fun showRows(model: SrModel) {
        val list = findViewById<ViewGroup>(R.id.rows)
        val cases = viewModel.cases(model)
        if (list.tag != cases) addRows(list, cases)
        for (case in cases) {
            val row = viewModel.timing?.rows?.firstOrNull { it.model == model.name && it.case == case }
            showRow(list.findViewWithTag(case), row)
        }
    }

    private fun addRows(list: ViewGroup, cases: List<Case>) {
        list.removeAllViews()
        list.tag = cases
        for ((size, sizeCases) in cases.groupBy { it.size }) {
            val heading = layoutInflater.inflate(R.layout.heading_timing, list, false) as TextView
            heading.text = getString(R.string.size_heading, RESOLUTIONS[size.height] ?: "$size", size.width, size.height)
            list.addView(heading)
            for (case in sizeCases) {
                val view = layoutInflater.inflate(R.layout.row_timing, list, false)
                view.tag = case
                view.findViewById<TextView>(R.id.backend).text = name(case.backend)
                list.addView(view)
            }
        }
    }

    private fun showRow(view: View, row: Row?) {
        view.findViewById<TextView>(R.id.median).text = row?.median?.let { getString(R.string.milliseconds, rounded(it)) } ?: "–"
        view.findViewById<TextView>(R.id.details).text = if (row == null) getString(R.string.not_measured) else details(row)
    }

    private fun details(row: Row): String {
        val p95 = row.p95 ?: return row.note
        val fps = row.fps ?: return row.note
        val nodes = row.nodesDelegated?.let { getString(R.string.nodes_delegated, it, row.nodesTotal) } ?: getString(R.string.nodes_unknown)
        val details = getString(R.string.row_details, rounded(p95), rounded(fps), nodes)
        return if (row.note.isEmpty()) details else "$details\n${row.note}"
    }

    override val canExport get() = viewModel.timing?.rows?.isNotEmpty() == true && !isMeasuring

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        when (item.itemId) {
            R.id.save -> createDocument(JSON, ResultExporter.TIMING_NAME, SAVE)
            R.id.share -> viewModel.shareTiming { share(it, JSON) }
            else -> return super.onOptionsItemSelected(item)
        }
        return true
    }

    override fun onDocument(request: Int, uri: Uri) = viewModel.saveTiming(uri, ::showSaved)

    private companion object {
        const val SAVE = 1
        const val RECORD = "record"
        const val JSON = "application/json"
        val RESOLUTIONS = mapOf(270 to "270p", 360 to "360p", 540 to "540p", 720 to "720p")
    }
}
