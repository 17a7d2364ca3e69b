package ecbsr.demo.core

/** Receives the progress of some work, and lets another thread cancel it. */
class Job(private val onProgress: (done: Int, total: Int) -> Unit = { _, _ -> }) {
    @Volatile private var canceled = false

    fun cancel() {
        canceled = true
    }

    /** Reports that [done] of [total] steps are complete. @throws CanceledException after [cancel]. */
    fun report(done: Int, total: Int) {
        onProgress(done, total)
        throwIfCanceled()
    }

    /** For work whose progress is unknown. @throws CanceledException after [cancel]. */
    fun throwIfCanceled() {
        if (canceled) throw CanceledException()
    }
}

/** The user cancels a [Job]. */
class CanceledException : Exception("Canceled.")
