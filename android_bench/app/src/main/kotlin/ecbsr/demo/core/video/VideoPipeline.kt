package ecbsr.demo.core.video

import ecbsr.demo.core.Backend
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.Size
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.Statistics
import ecbsr.demo.core.UserFacingException

/** Tells the system how long a picture may take and took, so that it can choose clock speeds. Used by the inference thread. */
interface PerformanceHints : AutoCloseable {
    fun report(targetNanos: Long, actualNanos: Long)
}

/** What a pipeline needs of the phone. */
interface VideoPlatform {
    val engines: EngineFactory

    /** The temperature, called once a second. */
    fun thermal(): ThermalReading

    /** Hints for the calling thread, or null if the phone has none. */
    fun openHints(): PerformanceHints?
}

/** Receives the events of a pipeline on the inference thread. */
interface VideoListener {
    /** A new picture is ready for [VideoPipeline.latest]. */
    fun onPicture()

    fun onEffort(effort: Effort, cause: Cause)

    /** The model cannot run; the pipeline continues without it. */
    fun onModelFailed(message: String)
}

/**
 * The pictures of a video on their way from a source to the screen: source → mailbox → inference thread → triple buffer
 * → GL thread.
 *
 * @param smaller a faster model of the same scale, or null.
 * @param pacer for a file; null for a camera, whose pictures are shown at once.
 */
class VideoPipeline(
    private val model: SrModel,
    private val smaller: SrModel?,
    private val backend: Backend,
    private val pacer: Pacer?,
    private val platform: VideoPlatform,
    private val listener: VideoListener,
    private val statistics: VideoStatistics,
    private val record: SessionRecord,
    private val nanoTime: () -> Long = System::nanoTime,
) : AutoCloseable {
    private val pool = FramePool()
    private val mailbox = Mailbox<YuvFrame>(isLive = pacer == null)
    private val buffer = TripleBuffer(ShownFrame(), ShownFrame(), ShownFrame())
    private val governor = ThermalGovernor(Effort.entries.filter { it != Effort.SMALLER_MODEL || smaller != null })
    private val intervals = ArrayDeque<Double>()
    private var lastTimeMicros: Long? = null
    private var lastUpdate = nanoTime()
    private var upscaler: LumaUpscaler? = null
    private var hasFailed = false
    private var isOdd = false
    private var lastGeneration = -1
    private var number = 0L
    private val thread = Thread(::run, "inference")

    /** The last temperature. */
    @Volatile
    var thermal = ThermalReading()
        private set

    /** The number of jumps so far. */
    val generation get() = pacer?.generation ?: 0

    fun start() = thread.start()

    /**
     * Passes a picture on. Waits while the pipeline has no place for a picture of a file; a picture of a camera replaces
     * the waiting one. The source calls it on its own thread.
     *
     * @param generation the one before the source knew that it need not jump.
     * @param fill writes the picture into the frame.
     */
    fun submit(size: Size, generation: Int = this.generation, fill: (YuvFrame) -> Unit) {
        val frame = pool.obtain(size)
        frame.generation = generation
        try {
            fill(frame)
        } catch (error: UserFacingException) {
            pool.release(frame)
            throw error
        }
        val unused = mailbox.put(frame) ?: return
        pool.release(unused)
        if (unused !== frame) statistics.dropped()
    }

    /** Discards the pictures before a jump in the file. Any thread may call it. */
    fun restart() {
        pacer?.restart()
        mailbox.clear()?.let(pool::release)
    }

    /** The newest picture, for the GL thread. */
    fun latest(): ShownFrame = buffer.latest()

    /** Stops the inference thread, and waits until it has closed the engine. */
    override fun close() {
        mailbox.close()
        pacer?.close()
        if (Thread.currentThread() !== thread) thread.join()
        record.end()
    }

    private fun run() {
        val hints = platform.openHints()
        try {
            while (true) process(mailbox.take() ?: break, hints)
        } finally {
            upscaler?.close()
            hints?.close()
        }
    }

    private fun process(frame: YuvFrame, hints: PerformanceHints?) {
        measureInterval(frame.timeMicros)
        updateGovernor()
        isOdd = !isOdd
        val isFirst = frame.generation != lastGeneration // after a jump, which waits for it
        lastGeneration = frame.generation
        if (pacer?.isLate(frame.timeMicros) == true) {
            statistics.dropped()
            return pool.release(frame)
        }
        if (governor.effort == Effort.HALF_RATE && isOdd && !isFirst) {
            statistics.skipped()
            return pool.release(frame)
        }
        val shown = buffer.back
        upscale(frame, shown, hints)
        if (pacer?.await(frame.timeMicros, frame.generation) == false) return pool.release(frame)
        shown.frame?.let(pool::release)
        shown.frame = frame
        shown.number = ++number
        if (buffer.publish()) statistics.dropped()
        listener.onPicture()
    }

    private fun upscale(frame: YuvFrame, shown: ShownFrame, hints: PerformanceHints?) {
        val chosen = if (governor.effort == Effort.SMALLER_MODEL) smaller!! else model
        if (governor.effort == Effort.BILINEAR || hasFailed) return shown.withoutModel(model.scale)
        try {
            val upscaler = upscalerFor(chosen, frame)
            val start = nanoTime()
            upscaler.upscale(frame, shown.reserve(frame.size, chosen.scale))
            val nanos = nanoTime() - start
            shown.inferenceMillis = nanos / 1e6
            statistics.inferred(shown.inferenceMillis)
            record.inferred(upscaler, shown.inferenceMillis, thermal.status)
            hints?.report((frameMillis() * 1e6).toLong(), nanos)
        } catch (error: UserFacingException) {
            fail(shown, error.message)
        } catch (_: OutOfMemoryError) {
            fail(shown, "The phone has not enough memory for ${frame.size}.")
        }
    }

    private fun fail(shown: ShownFrame, message: String) {
        hasFailed = true
        shown.withoutModel(model.scale)
        listener.onModelFailed(message)
    }

    private fun upscalerFor(chosen: SrModel, frame: YuvFrame): LumaUpscaler {
        val isFullRange = frame.color.isFullRange
        upscaler?.takeIf { it.model === chosen && it.size == frame.size && it.isFullRange == isFullRange }?.let { return it }
        upscaler?.close()
        upscaler = null
        return LumaUpscaler(chosen, platform.engines, backend, frame.size, isFullRange).also { upscaler = it }
    }

    /** The time between pictures: the median of the last ones, because a variable rate has outliers. */
    private fun frameMillis() = if (intervals.isEmpty()) DEFAULT_MILLIS else Statistics.median(intervals)

    private fun measureInterval(timeMicros: Long) {
        val interval = lastTimeMicros?.let { (timeMicros - it) / 1000.0 }
        lastTimeMicros = timeMicros
        if (interval == null || interval <= 0 || interval > MAX_MILLIS) return
        intervals.addLast(interval)
        if (intervals.size > INTERVALS) intervals.removeFirst()
    }

    private fun updateGovernor() {
        if (nanoTime() - lastUpdate < UPDATE_NANOS) return
        lastUpdate = nanoTime()
        thermal = platform.thermal()
        record.thermal(thermal)
        val before = governor.effort
        val recent = statistics.recentInferences()
        val inference = if (recent.isEmpty()) null else Statistics.percentile(recent, 0.95)
        val effort = governor.update(inference, frameMillis(), thermal)
        if (effort == before) return
        record.effort(effort, governor.cause)
        listener.onEffort(effort, governor.cause)
    }

    private companion object {
        const val DEFAULT_MILLIS = 1000 / 30.0
        const val MAX_MILLIS = 1000.0 // a pause or a jump
        const val INTERVALS = 15
        const val UPDATE_NANOS = 1_000_000_000L
    }
}
