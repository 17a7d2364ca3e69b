package ecbsr.demo.core

/** Something that the person asked for cannot be done; [message] is one sentence to show to them. */
class Refused(override val message: String, cause: Throwable? = null) : Exception(message, cause)

/** The person asked to stop. */
class Cancelled : Exception("Stopped.")

/** A piece of work that reports how far it is and can be stopped from another thread. */
class Job(private val onProgress: (done: Int, total: Int) -> Unit = { _, _ -> }) {
    @Volatile private var cancelled = false

    fun cancel() {
        cancelled = true
    }

    /** Call between steps. @throws Cancelled when the person asked to stop. */
    fun step(done: Int, total: Int) {
        onProgress(done, total)
        check()
    }

    /** The same, where it is not known how far the work is. */
    fun check() {
        if (cancelled) throw Cancelled()
    }
}
