package ecbsr.demo.ui

import android.app.Activity
import android.view.View
import android.view.WindowManager
import android.widget.Button
import android.widget.ProgressBar
import android.widget.TextView
import ecbsr.demo.DemoViewModel
import ecbsr.demo.R

/** The part of every screen that shows the running task, a button to cancel it, and the last error. */
class StatusStrip(private val activity: Activity, private val viewModel: DemoViewModel) {
    private val running: View = activity.findViewById(R.id.running)
    private val label: TextView = activity.findViewById(R.id.task)
    private val progress: ProgressBar = activity.findViewById(R.id.progress)
    private val error: TextView = activity.findViewById(R.id.error)

    init {
        activity.findViewById<Button>(R.id.cancel).setOnClickListener { viewModel.cancel() }
    }

    fun show() {
        val task = viewModel.task
        running.visibility = if (task == null) View.GONE else View.VISIBLE
        if (task != null) {
            progress.isIndeterminate = task.progress == 0f
            progress.progress = (task.progress * 1000).toInt()
            label.text = activity.getString(R.string.task_progress, activity.getString(task.label), (task.progress * 100).toInt())
        }
        // A task can take minutes, and the system can stop it when the screen turns off.
        val flag = WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON
        if (task != null) activity.window.addFlags(flag) else activity.window.clearFlags(flag)
        error.text = viewModel.error
        error.visibility = if (viewModel.error == null) View.GONE else View.VISIBLE
    }
}
