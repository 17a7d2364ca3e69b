package ecbsr.demo

import ecbsr.demo.core.Job

/** A background task. [label] is a string resource. */
class Task(val label: Int, onProgress: (task: Task, progress: Float) -> Unit) {
    val job = Job { done, total -> onProgress(this, done.toFloat() / total) }

    /** From 0 to 1. */
    var progress = 0f
}
