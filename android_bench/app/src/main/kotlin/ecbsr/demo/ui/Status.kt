package ecbsr.demo.ui

import android.app.Activity
import android.view.View
import android.view.WindowManager
import android.widget.Button
import android.widget.ProgressBar
import android.widget.TextView
import ecbsr.demo.R
import ecbsr.demo.Workbench

/** The strip of every screen that shows work in the background, a way to stop it, and what went wrong. */
class Status(private val activity: Activity, private val workbench: Workbench) {
    private val working: View = activity.findViewById(R.id.working)
    private val task: TextView = activity.findViewById(R.id.task)
    private val progress: ProgressBar = activity.findViewById(R.id.progress)
    private val message: TextView = activity.findViewById(R.id.message)

    init {
        activity.findViewById<Button>(R.id.cancel).setOnClickListener { workbench.cancel() }
    }

    fun show() {
        val running = workbench.task
        working.visibility = if (running == null) View.GONE else View.VISIBLE
        if (running != null) {
            progress.isIndeterminate = running.progress == 0f
            progress.progress = (running.progress * 1000).toInt()
            task.text = activity.getString(R.string.task_progress, activity.getString(running.label), (running.progress * 100).toInt())
        }
        // Work that takes minutes would stop with the screen.
        val flag = WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON
        if (running != null) activity.window.addFlags(flag) else activity.window.clearFlags(flag)
        message.text = workbench.message
        message.visibility = if (workbench.message == null) View.GONE else View.VISIBLE
    }
}
