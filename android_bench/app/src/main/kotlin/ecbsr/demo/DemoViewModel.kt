package ecbsr.demo

import android.content.Context
import android.net.Uri
import ecbsr.demo.core.Backend
import ecbsr.demo.core.Benchmark
import ecbsr.demo.core.BicubicUpscaler
import ecbsr.demo.core.Case
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.Job
import ecbsr.demo.core.Protocol
import ecbsr.demo.core.RangeProbe
import ecbsr.demo.core.Region
import ecbsr.demo.core.Size
import ecbsr.demo.core.SrModel
import ecbsr.demo.core.SrUpscaler
import ecbsr.demo.core.ThermalSample
import ecbsr.demo.core.upscaleToPixels
import ecbsr.demo.core.video.VideoDecoder
import ecbsr.demo.io.ListedModel
import ecbsr.demo.io.ModelStore
import ecbsr.demo.io.PictureFile
import ecbsr.demo.io.PictureStore
import ecbsr.demo.io.toBitmap
import ecbsr.demo.video.MediaSource
import ecbsr.demo.video.VideoPlayer
import java.time.Instant
import java.util.concurrent.Executors

/** The state of all screens and the user's actions. The main thread uses it; long work runs as a [Task]. */
class DemoViewModel(
    private val context: Context,
    private val engines: EngineFactory,
    private val protocol: Protocol,
    openDecoder: (MediaSource) -> VideoDecoder,
) {
    private val pictures = PictureStore(context)
    private val models = ModelStore(context, RangeProbe(engines, pictures::samplePixels))

    /** The models to choose from, once they are read. */
    var listedModels: List<ListedModel> = emptyList()
        private set
    var model: SrModel? = null
        private set

    /** A bundled model that is faster than [model] and has the same scale, or null. */
    var smallerModel: SrModel? = null
        private set
    var picture: PictureFile? = null
        private set
    var comparison: Comparison? = null
        private set

    /** The last measurement, even if it is incomplete. */
    var timing: TimingRecord? = null

    val video = VideoPlayer(context, engines, openDecoder, ::notifyListeners) { onPicture() }

    /** Called when the video has a new picture. */
    var onPicture: () -> Unit = {}

    /** Reads the list of models, beside a task that can take minutes. */
    private val reader = Executors.newSingleThreadExecutor { Thread(it, "models") }
    private val exporter = ResultExporter(context, engines)
    private val listeners = mutableSetOf<() -> Unit>()
    private val tasks = TaskRunner(::notifyListeners)
    val task get() = tasks.task
    val error get() = tasks.error

    fun addListener(listener: () -> Unit) {
        listeners += listener
    }

    fun removeListener(listener: () -> Unit) {
        listeners -= listener
    }

    fun cancel() = tasks.cancel()

    fun showError(message: String) = tasks.showError(message)

    fun selectModel(name: String) = startWithModel({ models.load(name) })

    /** Loads [preferred], or else the first model, if no model is loaded and no task runs. */
    fun loadModelIfNone(preferred: String?) {
        if (model == null && task == null) loadModel(preferred)
    }

    fun importModel(uri: Uri) = startWithModel({ models.add(uri, it) }) { imported ->
        if (timing?.rows.orEmpty().any { it.model == imported.name }) timing = null // of another file with this name
        listModels()
    }

    /** Removes a model of the user; if it is selected, the first one replaces it. */
    fun removeModel(name: String) {
        reader.execute { models.remove(name) }
        listModels()
        if (name == model?.name) loadModel(null)
    }

    /** Updates [listedModels]. */
    fun listModels() = reader.execute {
        val list = models.list()
        tasks.post {
            listedModels = list
            notifyListeners()
        }
    }

    private fun loadModel(preferred: String?) = startWithModel({ models.loadFirst(preferred) })

    private fun startWithModel(load: (Job) -> SrModel, onSuccess: (SrModel) -> Unit = {}) =
        tasks.start(R.string.task_model, { job -> load(job).let { it to models.smaller(it) } }) { (selected, smaller) ->
            if (selected !== model) comparison = null
            model = selected
            smallerModel = smaller
            onSuccess(selected)
        }

    fun openSample() = showPicture { pictures.openSample() }

    fun openPicture(uri: Uri) = showPicture { pictures.open(uri, it) }

    /** Opens the last picture after the system ended the process. */
    fun reopenPicture(name: String) = showPicture { pictures.reopen(name) }

    private fun showPicture(open: (Job) -> PictureFile) = tasks.start(R.string.task_open, open) {
        picture?.let { previous -> tasks.execute(previous::close) }
        picture = it
        comparison = null
    }

    /** The region to upscale when [visible] is on the screen, or null if that is too large. */
    fun regionFor(visible: Region): Region? {
        val picture = picture ?: return null
        val scale = model?.scale ?: return null
        return listOf(picture.whole, visible.withMargin().within(picture.width, picture.height), visible).firstOrNull { fits(it, scale) }
    }

    /** Upscales [region] by bicubic and by the model for the screen. */
    fun compare(region: Region) = withModelAndPicture { model, picture ->
        tasks.start(R.string.task_upscale, { job ->
            val firstHalf = Job { done, total -> job.report(done, 2 * total) }
            val secondHalf = Job { done, total -> job.report(total + done, 2 * total) }
            val bicubic = upscaleToPixels(picture, region, BicubicUpscaler(model.scale), firstHalf).toBitmap()
            val superResolution = SrUpscaler(model, engines).use { upscaleToPixels(picture, region, it, secondHalf) }.toBitmap()
            Comparison(region, model.scale, bicubic, superResolution)
        }) { comparison = it }
    }

    /** The file name for the upscaled picture, or null if no model or no picture is loaded. */
    val resultName get() = withModelAndPicture(ResultExporter::pictureName)

    fun savePicture(uri: Uri, onSuccess: () -> Unit) = withModelAndPicture { model, picture ->
        tasks.start(R.string.task_save, { exporter.savePicture(model, picture, uri, it) }) { onSuccess() }
    }

    fun sharePicture(onSuccess: (Uri) -> Unit) = withModelAndPicture { model, picture ->
        tasks.start(R.string.task_save, { exporter.sharePicture(model, picture, it) }, onSuccess)
    }

    /** Whether a model and a picture are loaded. */
    val isReady get() = withModelAndPicture { _, _ -> true } ?: false

    private fun <T> withModelAndPicture(action: (SrModel, PictureFile) -> T): T? {
        return action(model ?: return null, picture ?: return null)
    }

    /** The cases to measure: the standard resolutions, or the fixed size of the model. */
    fun cases(model: SrModel): List<Case> {
        val sizes = model.fixedSize?.let { listOf(it) } ?: SIZES
        return sizes.flatMap { size -> BACKENDS.map { Case(it, size) } }
    }

    fun measure() {
        val model = model ?: return
        val record = TimingRecord(Instant.now().toString())
        timing = record
        val start = System.nanoTime()
        tasks.start(R.string.task_timing, { job ->
            val sample = pictures.samplePixels()
            val benchmark = Benchmark(model, engines, protocol, sample::repeated, System::nanoTime, context::thermalStatus)
            benchmark.run(cases(model), job) { row ->
                val thermal = ThermalSample((System.nanoTime() - start) / 1e9, context.thermalStatus())
                val saver = context.isBatterySaverOn
                tasks.post {
                    record.put(row, thermal, saver)
                    notifyListeners()
                }
            }
        }) { }
    }

    fun saveTiming(uri: Uri, onSuccess: () -> Unit) = saveJson(timingJson(), uri, onSuccess)

    fun shareTiming(onSuccess: (Uri) -> Unit) = shareJson(timingJson(), ResultExporter.TIMING_NAME, onSuccess)

    fun saveVideoRecord(uri: Uri, onSuccess: () -> Unit) = saveJson(videoJson(), uri, onSuccess)

    fun shareVideoRecord(onSuccess: (Uri) -> Unit) = shareJson(videoJson(), ResultExporter.VIDEO_NAME, onSuccess)

    private fun saveJson(json: String?, uri: Uri, onSuccess: () -> Unit) {
        if (json == null) return showError(context.getString(R.string.nothing_to_save))
        tasks.start(R.string.task_save, { exporter.saveJson(json, uri, it) }) { onSuccess() }
    }

    private fun shareJson(json: String?, name: String, onSuccess: (Uri) -> Unit) {
        if (json != null) tasks.start(R.string.task_save, { exporter.shareJson(json, name) }, onSuccess)
    }

    private fun timingJson() = timing?.toJson(deviceInfo(), protocol)

    private fun videoJson() = video.record?.takeIf { !it.isEmpty }?.toJson(deviceInfo())

    private fun notifyListeners() = listeners.toList().forEach { it() }

    companion object {
        private val SIZES = listOf(Size(480, 270), Size(640, 360), Size(960, 540), Size(1280, 720))
        val BACKENDS = listOf(Backend.Cpu(1), Backend.Cpu(4), Backend.Gpu, Backend.Nnapi)
        private const val MAX_SIDE = 4096 // some phones draw no larger bitmap
        private const val MAX_PIXELS = 6_000_000L // 24 MB for each bitmap

        private fun fits(region: Region, scale: Int): Boolean {
            val width = region.width.toLong() * scale
            val height = region.height.toLong() * scale
            return width in 1..MAX_SIDE && height in 1..MAX_SIDE && width * height <= MAX_PIXELS
        }

        /** Adds a quarter on each side, so that a small move needs no new result. */
        private fun Region.withMargin() = Region(left - width / 4, top - height / 4, right + width / 4, bottom + height / 4)
    }
}
