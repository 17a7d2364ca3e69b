package ecbsr.demo

import android.os.Handler
import android.os.Looper
import android.util.Log
import ecbsr.demo.core.CanceledException
import ecbsr.demo.core.Job
import ecbsr.demo.core.UserFacingException
import java.io.IOException
import java.util.concurrent.Executors

/** A background task. [label] is a string resource. */
class Task(val label: Int, onProgress: (task: Task, progress: Float) -> Unit) {
    val job = Job { done, total -> onProgress(this, done.toFloat() / total) }

    /** From 0 to 1. */
    var progress = 0f
}

/** Runs one task at a time on a background thread. The main thread uses it, and receives the results. */
class TaskRunner(private val onChange: () -> Unit) {
    /** The running task. */
    var task: Task? = null
        private set

    /** The error message of the last task. */
    var error: String? = null
        private set

    private val main = Handler(Looper.getMainLooper())
    private val background = Executors.newSingleThreadExecutor { Thread(it, "background") }

    /** Cancels the running task, runs [work] in the background, and passes its result to [onSuccess]. */
    fun <T> start(label: Int, work: (Job) -> T, onSuccess: (T) -> Unit) {
        task?.job?.cancel()
        val started = Task(label) { task, progress ->
            post {
                task.progress = progress
                if (task === this.task) onChange()
            }
        }
        task = started
        error = null
        onChange()
        execute {
            val result = catchErrors { started.job.report(0, 1); work(started.job) }
            post {
                if (task !== started) { // canceled or replaced: nobody receives the result
                    result.onSuccess { if (it is AutoCloseable) execute(it::close) }
                    return@post
                }
                task = null
                result.onSuccess(onSuccess)
                result.onFailure { if (it is UserFacingException) error = it.message }
                onChange()
            }
        }
    }

    fun cancel() {
        task?.job?.cancel()
        task = null
        onChange()
    }

    fun showError(message: String) {
        error = message
        onChange()
    }

    /** Runs [work] in the background after the running task. */
    fun execute(work: () -> Unit) = background.execute(work)

    /** Runs [work] on the main thread. */
    fun post(work: () -> Unit) {
        main.post(work)
    }

    private fun <T> catchErrors(work: () -> T): Result<T> = try {
        Result.success(work())
    } catch (error: UserFacingException) {
        Result.failure(error)
    } catch (error: CanceledException) {
        Result.failure(error)
    } catch (error: IOException) {
        Result.failure(UserFacingException("The phone's storage failed: ${error.message}.", error))
    } catch (error: OutOfMemoryError) {
        Result.failure(UserFacingException("There is not enough memory: close other apps, or use a smaller picture.", error))
    } catch (error: RuntimeException) {
        // Providers of other apps and image decoders can throw anything. The app shows the error and continues.
        Log.e("ecbsr", "background task", error)
        Result.failure(UserFacingException("An unexpected error occurred: $error", error))
    }
}
