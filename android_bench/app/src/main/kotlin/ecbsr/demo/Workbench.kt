package ecbsr.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.net.Uri
import android.os.Handler
import android.os.Looper
import android.util.Log
import ecbsr.demo.core.Backend
import ecbsr.demo.core.BicubicMethod
import ecbsr.demo.core.Cancelled
import ecbsr.demo.core.Case
import ecbsr.demo.core.DeviceFacts
import ecbsr.demo.core.Engines
import ecbsr.demo.core.Job
import ecbsr.demo.core.Pixels
import ecbsr.demo.core.PngWriter
import ecbsr.demo.core.Protocol
import ecbsr.demo.core.Refused
import ecbsr.demo.core.Region
import ecbsr.demo.core.Row
import ecbsr.demo.core.Size
import ecbsr.demo.core.SrMethod
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.Thermal
import ecbsr.demo.core.enlarge
import ecbsr.demo.core.enlargeToPixels
import ecbsr.demo.core.measure
import ecbsr.demo.core.resultsJson
import ecbsr.demo.io.Documents
import ecbsr.demo.io.ModelStore
import ecbsr.demo.io.PictureFile
import ecbsr.demo.io.SharedFiles
import ecbsr.demo.io.toBitmap
import java.io.File
import java.io.IOException
import java.io.OutputStream
import java.io.Serializable
import java.time.Instant
import java.util.concurrent.Executors

/** A picture that is open, under the name that the person knows. */
class OpenPicture(val name: String, val file: PictureFile)

/** Both enlargements of the same [region] of the picture, for the eye. */
class Comparison(val region: Region, val scale: Int, val bicubic: Bitmap, val upscaled: Bitmap)

/** Rows measured so far, and how warm the phone was; kept when the system ends the app. */
class TimingRecord(val started: String) : Serializable {
    val rows = mutableListOf<Row>()
    val thermal = mutableListOf<Thermal>()

    fun put(row: Row, state: Thermal) {
        rows.removeAll { it.case == row.case }
        rows += row
        thermal += state
    }
}

/** Work in the background; [label] is a string resource. */
class Task(val label: Int, val job: Job) {
    var progress = 0f
}

/**
 * What the screens show and do. Used on the main thread; long work goes to one background thread, one task
 * at a time, and its result comes back to the main thread.
 */
class Workbench(private val context: Context, private val engines: Engines, private val protocol: Protocol) {
    val models = ModelStore(context)
    val documents = Documents(context.contentResolver)
    var model: SrModel? = null
        private set
    var picture: OpenPicture? = null
        private set
    var comparison: Comparison? = null
        private set
    var task: Task? = null
        private set

    /** A sentence for the person about what went wrong last, until the next task starts. */
    var message: String? = null
        private set

    /** The last measurement, finished or not. */
    var timing: TimingRecord? = null

    private val main = Handler(Looper.getMainLooper())
    private val background = Executors.newSingleThreadExecutor { Thread(it, "workbench") }
    private val watchers = mutableSetOf<() -> Unit>()
    private val pictureFile = File(context.cacheDir, "picture")
    private val newPicture = File(context.cacheDir, "picture.new")

    fun watch(watcher: () -> Unit) {
        watchers += watcher
    }

    fun unwatch(watcher: () -> Unit) {
        watchers -= watcher
    }

    fun cancel() {
        task?.job?.cancel()
        task = null
        changed()
    }

    fun say(sentence: String) {
        message = sentence
        changed()
    }

    /** Runs [work] in the background in place of what runs there now, and gives its result to [done]. */
    fun <T> start(label: Int, work: (Job) -> T, done: (T) -> Unit) {
        task?.job?.cancel()
        lateinit var mine: Task
        val job = Job { at, total ->
            main.post {
                mine.progress = at.toFloat() / total
                if (task === mine) changed()
            }
        }
        mine = Task(label, job)
        task = mine
        message = null
        changed()
        background.execute {
            val outcome = outcome { job.step(0, 1); work(job) }
            main.post {
                if (task !== mine) return@post // something else was asked for meanwhile
                task = null
                outcome.onSuccess(done)
                outcome.onFailure { if (it is Refused) message = it.message }
                changed()
            }
        }
    }

    fun choose(name: String) = start(R.string.task_model, { models.load(name) }, ::use)

    fun addModel(uri: Uri) = start(R.string.task_model, { models.add(uri, it) }, ::use)

    private fun use(chosen: SrModel) {
        if (chosen !== model) comparison = null
        model = chosen
    }

    /** Opens the picture that comes with the app. */
    fun openSample() = open {
        context.assets.open(SAMPLE).use { from -> newPicture.outputStream().use { from.copyTo(it) } }
        SAMPLE
    }

    fun open(uri: Uri) = open {
        documents.copy(uri, newPicture, MOST_PICTURE_BYTES, it)
        documents.name(uri)
    }

    /** Opens the picture of the last time again, after the system ended the app. */
    fun reopen(name: String) = show {
        if (!pictureFile.exists()) throw Refused("The picture is gone: open it again.")
        OpenPicture(name, PictureFile.open(pictureFile))
    }

    /** [bring] puts a picture in [newPicture]; it takes the place of the old one only if it can be read. */
    private fun open(bring: (Job) -> String) = show { job ->
        val name = bring(job)
        OpenPicture(name, PictureFile.open(newPicture)).also { newPicture.renameTo(pictureFile) }
    }

    private fun show(read: (Job) -> OpenPicture) = start(R.string.task_open, read) {
        picture?.let { old -> background.execute { old.file.close() } }
        picture = it
        comparison = null
    }

    /** The part of the picture to enlarge for the eye when [visible] is on the screen, or null if that is too much. */
    fun regionFor(visible: Region): Region? {
        val (file, scale) = (picture?.file ?: return null) to (model?.scale ?: return null)
        return listOf(file.whole, visible.grown(file), visible).firstOrNull { fits(it, scale) }
    }

    /** Enlarges [region] both ways for the screen. */
    fun compare(region: Region) {
        val (model, picture) = (model ?: return) to (picture ?: return)
        start(R.string.task_upscale, { job ->
            val (first, second) = Job { at, all -> job.step(at, 2 * all) } to Job { at, all -> job.step(all + at, 2 * all) }
            val bicubic = enlargeToPixels(picture.file, region, BicubicMethod(model.scale), first).toBitmap()
            val upscaled = upscaling(model) { enlargeToPixels(picture.file, region, it, second) }.toBitmap()
            Comparison(region, model.scale, bicubic, upscaled)
        }) { comparison = it }
    }

    /** Writes the whole result, strip by strip, as a PNG. */
    fun save(uri: Uri, done: () -> Unit) {
        val (model, picture) = (model ?: return) to (picture ?: return)
        start(R.string.task_save, { job -> documents.write(uri) { writePng(model, picture.file, it, job) } }) { done() }
    }

    /** Writes the whole result where other apps can be let read it. */
    fun share(done: (Uri) -> Unit) {
        val (model, picture) = (model ?: return) to (picture ?: return)
        start(R.string.task_save, { job ->
            val name = "${picture.name.substringBeforeLast('.')}-x${model.scale}.png".replace('/', '_')
            sharedFile(name) { output -> writePng(model, picture.file, output, job) }
        }, done)
    }

    /** Puts a file where other apps can be let read it; what was shared before is removed. */
    fun sharedFile(name: String, write: (OutputStream) -> Unit): Uri {
        val folder = SharedFiles.folder(context)
        folder.deleteRecursively()
        folder.mkdirs()
        val file = File(folder, name)
        try {
            file.outputStream().buffered().use(write)
        } catch (error: IOException) {
            throw Refused("The result cannot be written: ${error.message}.", error)
        }
        return SharedFiles.uri(context, file)
    }

    /** The rows to measure: the usual resolutions, or the one that the model takes. */
    fun cases(model: SrModel): List<Case> {
        val sizes = model.fixedSize?.let { listOf(it) } ?: SIZES
        return sizes.flatMap { size -> BACKENDS.map { Case(it, size) } }
    }

    fun measure() {
        val model = model ?: return
        val record = TimingRecord(Instant.now().toString())
        timing = record
        val began = System.nanoTime()
        val picture = context.assets.open(SAMPLE).use { BitmapFactory.decodeStream(it) }
        start(R.string.task_timing, { job ->
            measure(model, cases(model), engines, protocol, { picture.pixels(it) }, System::nanoTime, context::thermalStatus, job) { row ->
                val thermal = Thermal((System.nanoTime() - began) / 1e9, context.thermalStatus())
                main.post {
                    record.put(row, thermal)
                    changed()
                }
            }
        }) { }
    }

    fun shareTiming(device: DeviceFacts, done: (Uri) -> Unit) {
        val text = timing?.json(device) ?: return
        start(R.string.task_save, { sharedFile("ecbsr-timing.json") { it.write(text.toByteArray()) } }, done)
    }

    fun saveTiming(uri: Uri, device: DeviceFacts, done: () -> Unit) {
        val text = timing?.json(device) ?: return
        start(R.string.task_save, { documents.write(uri) { it.write(text.toByteArray()) } }) { done() }
    }

    private fun TimingRecord.json(device: DeviceFacts) = resultsJson(rows, device, thermal, protocol, started)

    private fun writePng(model: SrModel, source: PictureFile, output: OutputStream, job: Job) = upscaling(model) { method ->
        PngWriter(output, source.width * model.scale, source.height * model.scale, source.hasAlpha).use { png ->
            enlarge(source, source.whole, method, job, png::rows)
        }
    }

    private fun <T> upscaling(model: SrModel, use: (SrMethod) -> T): T = SrMethod(model, engines, Backend.Cpu(THREADS)).use(use)

    private fun changed() = watchers.toList().forEach { it() }

    private fun <T> outcome(work: () -> T): Result<T> = try {
        Result.success(work())
    } catch (error: Refused) {
        Result.failure(error)
    } catch (error: Cancelled) {
        Result.failure(error)
    } catch (error: IOException) {
        Result.failure(Refused("The phone's storage failed: ${error.message}.", error))
    } catch (error: OutOfMemoryError) {
        Result.failure(Refused("There is not enough memory for this: close other apps, or take a smaller picture.", error))
    } catch (error: RuntimeException) {
        // Other apps' files and phones' decoders bring what nobody foresaw: a sentence, and the app goes on.
        Log.e("ecbsr", "in the background", error)
        Result.failure(Refused("This failed unexpectedly: $error", error))
    }

    private companion object {
        val SIZES = listOf(Size(480, 270), Size(640, 360), Size(960, 540), Size(1280, 720))
        val BACKENDS = listOf(Backend.Cpu(1), Backend.Cpu(4), Backend.Gpu, Backend.Nnapi)
        const val SAMPLE = "chelsea.png"
        const val MOST_PICTURE_BYTES = 512L * 1024 * 1024
        const val THREADS = 4
        const val MOST_SIDE = 4096 // some phones draw no larger bitmap
        const val MOST_PIXELS = 6_000_000L // 24 MB each way

        fun fits(region: Region, scale: Int): Boolean {
            val (width, height) = region.width.toLong() * scale to region.height.toLong() * scale
            return width in 1..MOST_SIDE && height in 1..MOST_SIDE && width * height <= MOST_PIXELS
        }

        /** A quarter more on each side, so that a small move needs nothing new. */
        fun Region.grown(file: PictureFile) =
            Region(left - width / 4, top - height / 4, right + width / 4, bottom + height / 4).within(file.width, file.height)
    }
}

/** The picture repeated to fill [size]: real content, whatever the resolution. */
private fun Bitmap.pixels(size: Size): Pixels {
    val own = IntArray(width * height)
    getPixels(own, 0, width, 0, 0, width, height)
    return Pixels(size.width, size.height, IntArray(size.width * size.height) {
        own[it / size.width % height * width + it % size.width % width]
    })
}
