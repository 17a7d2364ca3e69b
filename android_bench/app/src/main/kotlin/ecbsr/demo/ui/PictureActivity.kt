package ecbsr.demo.ui

import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.os.Parcelable
import android.view.MenuItem
import android.view.View
import android.widget.Button
import android.widget.TextView
import ecbsr.demo.R
import ecbsr.demo.core.Region
import ecbsr.demo.core.SrModel
import ecbsr.demo.io.PictureFile

/** Compares a picture upscaled by bicubic and by the selected model. */
class PictureActivity : DemoActivity(R.layout.picture, R.menu.picture) {
    private val view by lazy { findViewById<ComparisonView>(R.id.comparison) }
    private var viewport: Region? = null

    /** The last comparison that was started, so that a failed or canceled one does not start again by itself. */
    private var lastComparison: Triple<PictureFile, SrModel, Region>? = null

    /** A location that the user picked while the system ended the process. Saving waits for picture and model. */
    private var pendingSave: Uri? = null

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        view.onViewport = { viewport = it; compare() }
        findViewById<Button>(R.id.model).setOnClickListener { startActivity(Intent(this, ModelsActivity::class.java)) }
        loadPicture(state)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        setIntent(intent)
        if (intent.action == Intent.ACTION_SEND) openShared()
    }

    override fun onResume() {
        super.onResume()
        lastComparison = null // a task of another screen may have canceled it
        compare()
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        viewModel.picture?.let { state.putString(PICTURE, it.name) }
    }

    /** Loads a picture at the first start, and restores it after the system ended the process. */
    private fun loadPicture(state: Bundle?) {
        if (state == null && intent.action == Intent.ACTION_SEND) {
            openShared()
        } else if (viewModel.picture == null && viewModel.task?.label != R.string.task_open) {
            val name = state?.getString(PICTURE)
            if (name != null) viewModel.reopenPicture(name) else viewModel.openSample()
        }
    }

    private fun openShared() {
        val uri = sharedUri()
        if (uri == null) viewModel.showError(getString(R.string.nothing_shared)) else viewModel.openPicture(uri)
    }

    /** Another app can put anything into its intent: also objects of other classes, and of some that this app does not have. */
    private fun sharedUri(): Uri? = try {
        @Suppress("DEPRECATION") // the typed variant needs Android 13
        intent.getParcelableExtra<Parcelable>(Intent.EXTRA_STREAM) as? Uri
    } catch (_: RuntimeException) {
        null
    }

    override fun show() {
        val model = viewModel.model
        val picture = viewModel.picture
        findViewById<Button>(R.id.model).text = if (model == null) getString(R.string.models) else getString(R.string.model_button, model.name)
        findViewById<TextView>(R.id.name).text = picture?.name.orEmpty()
        if (picture != null) {
            val scale = model?.scale ?: 1
            findViewById<TextView>(R.id.sizes).text =
                getString(R.string.sizes, picture.width, picture.height, picture.width * scale, picture.height * scale)
            view.showPicture(picture.overview, picture.width, picture.height)
        }
        view.showComparison(viewModel.comparison)
        if (viewModel.task == null) startNextTask()
    }

    /** After a start: loads the model once the picture is open, then saves or compares. */
    private fun startNextTask() {
        if (viewModel.picture == null) {
            pendingSave = null
        } else if (viewModel.model == null) {
            if (viewModel.error == null) loadModelIfNone()
        } else {
            pendingSave?.let { pendingSave = null; save(it) } ?: compare()
        }
    }

    private fun save(uri: Uri) = viewModel.savePicture(uri, ::showSaved)

    private fun compare() {
        val picture = viewModel.picture ?: return
        val model = viewModel.model ?: return
        val visible = viewport ?: return
        val region = viewModel.regionFor(visible)
        findViewById<View>(R.id.zoom_hint).visibility = if (region == null) View.VISIBLE else View.GONE
        val isUpToDate = viewModel.comparison?.let { visible in it.region } ?: false
        if (region == null || isUpToDate || viewModel.task != null) return
        val comparison = Triple(picture, model, region)
        if (comparison == lastComparison) return
        lastComparison = comparison
        viewModel.compare(region)
    }

    override val canExport get() = viewModel.isReady

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        lastComparison = null
        when (item.itemId) {
            R.id.open -> openDocument("image/*", OPEN)
            R.id.save -> createDocument("image/png", viewModel.resultName, SAVE)
            R.id.share -> viewModel.sharePicture { share(it, "image/png") }
            R.id.timing -> startActivity(Intent(this, TimingActivity::class.java))
            R.id.video -> startActivity(Intent(this, VideoActivity::class.java))
            R.id.sample -> viewModel.openSample()
            else -> return super.onOptionsItemSelected(item)
        }
        return true
    }

    override fun onDocument(request: Int, uri: Uri) {
        when (request) {
            OPEN -> viewModel.openPicture(uri)
            SAVE -> if (viewModel.isReady) save(uri) else pendingSave = uri
        }
    }

    private companion object {
        const val OPEN = 1
        const val SAVE = 2
        const val PICTURE = "picture"
    }
}
