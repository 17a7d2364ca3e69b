package ecbsr.demo.ui

import android.app.Activity
import android.content.Intent
import android.net.Uri
import android.os.Bundle
import android.view.Menu
import android.view.MenuItem
import android.view.View
import android.widget.Button
import android.widget.TextView
import android.widget.Toast
import ecbsr.demo.OpenPicture
import ecbsr.demo.R
import ecbsr.demo.core.Region
import ecbsr.demo.core.SrModel
import ecbsr.demo.workbench

/** One picture, enlarged by bicubic and by the chosen model, side by side. */
class PictureActivity : Activity() {
    private val view by lazy { findViewById<ComparisonView>(R.id.comparison) }
    private lateinit var status: Status
    private val watcher = ::show
    private var seen: Region? = null

    /** What was asked for last, so that what failed or was stopped is not asked for again by itself. */
    private var asked: Triple<OpenPicture, SrModel, Region>? = null

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.picture)
        status = Status(this, workbench)
        view.onViewport = { seen = it; compare() }
        findViewById<Button>(R.id.model).setOnClickListener { startActivity(Intent(this, ModelsActivity::class.java)) }
        begin(state)
    }

    /** Only what is on the screen acts: of two such screens, each wants another part of the picture. */
    override fun onStart() {
        super.onStart()
        workbench.watch(watcher)
        show()
    }

    override fun onStop() {
        super.onStop()
        workbench.unwatch(watcher)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        setIntent(intent)
        if (intent.action == Intent.ACTION_SEND) openShared()
    }

    override fun onResume() {
        super.onResume()
        asked = null // what another screen did may have taken the comparison's turn
        compare()
    }

    override fun onSaveInstanceState(out: Bundle) {
        super.onSaveInstanceState(out)
        workbench.picture?.let { out.putString(PICTURE, it.name) }
        workbench.model?.let { out.putString(MODEL, it.name) }
    }

    /** A fresh start, a turn of the phone, or a return after the system ended the app. */
    private fun begin(state: Bundle?) {
        if (state == null && intent.action == Intent.ACTION_SEND) {
            openShared()
        } else if (workbench.picture == null && workbench.task?.label != R.string.task_open) {
            val name = state?.getString(PICTURE)
            if (name != null) workbench.reopen(name) else workbench.openSample()
        }
        restoredModel = state?.getString(MODEL)
    }

    private var restoredModel: String? = null

    /** Where to save, picked while the system had ended the app: done once picture and model are there again. */
    private var pendingSave: Uri? = null

    private fun openShared() {
        @Suppress("DEPRECATION") // the typed form came with Android 13
        val uri: Uri? = intent.getParcelableExtra(Intent.EXTRA_STREAM)
        if (uri == null) workbench.say(getString(R.string.nothing_shared)) else workbench.open(uri)
    }

    private fun show() {
        val (model, picture) = workbench.model to workbench.picture
        findViewById<Button>(R.id.model).text = if (model == null) getString(R.string.models) else getString(R.string.model_button, model.name)
        findViewById<TextView>(R.id.name).text = picture?.name.orEmpty()
        if (picture != null) {
            val (width, height) = picture.file.width to picture.file.height
            val scale = model?.scale ?: 1
            findViewById<TextView>(R.id.sizes).text = getString(R.string.sizes, width, height, width * scale, height * scale)
            view.showPicture(picture.file.overview, width, height)
        }
        view.showComparison(workbench.comparison)
        status.show()
        invalidateOptionsMenu()
        if (workbench.task == null) next()
    }

    /** The chain of a start: picture, model, comparison. */
    private fun next() {
        if (workbench.picture == null) {
            pendingSave = null
        } else if (workbench.model == null) {
            if (workbench.message == null) workbench.choose(restoredModel?.takeIf { it in workbench.models.names() } ?: workbench.models.names().first())
        } else {
            pendingSave?.let { pendingSave = null; save(it) } ?: compare()
        }
    }

    private fun save(uri: Uri) = workbench.save(uri) { Toast.makeText(this, R.string.saved, Toast.LENGTH_SHORT).show() }

    private fun compare() {
        val (picture, model) = (workbench.picture ?: return) to (workbench.model ?: return)
        val visible = seen ?: return
        val region = workbench.regionFor(visible)
        findViewById<View>(R.id.closer).visibility = if (region == null) View.VISIBLE else View.GONE
        val there = workbench.comparison?.region
        if (region == null || there != null && there.covers(visible) || workbench.task != null) return
        if (Triple(picture, model, region) == asked) return
        asked = Triple(picture, model, region)
        workbench.compare(region)
    }

    override fun onCreateOptionsMenu(menu: Menu): Boolean {
        menuInflater.inflate(R.menu.picture, menu)
        return true
    }

    override fun onPrepareOptionsMenu(menu: Menu): Boolean {
        val ready = workbench.picture != null && workbench.model != null
        for (id in listOf(R.id.share, R.id.save)) {
            menu.findItem(id).isEnabled = ready
            menu.findItem(id).icon?.mutate()?.alpha = if (ready) 255 else 100
        }
        return true
    }

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        asked = null
        when (item.itemId) {
            R.id.open -> ask(chooseFile("image/*"), OPEN)
            R.id.save -> ask(createFile("image/png", resultName()), SAVE)
            R.id.share -> workbench.share { offer(it, "image/png") }
            R.id.timing -> startActivity(Intent(this, TimingActivity::class.java))
            R.id.sample -> workbench.openSample()
            else -> return super.onOptionsItemSelected(item)
        }
        return true
    }

    private fun resultName() = "${workbench.picture?.name?.substringBeforeLast('.')}-x${workbench.model?.scale}.png"

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val uri = data?.data?.takeIf { result == RESULT_OK } ?: return
        when (request) {
            OPEN -> workbench.open(uri)
            SAVE -> if (workbench.picture == null || workbench.model == null) pendingSave = uri else save(uri)
        }
    }

    private fun Region.covers(other: Region) =
        left <= other.left && top <= other.top && right >= other.right && bottom >= other.bottom

    private companion object {
        const val OPEN = 1
        const val SAVE = 2
        const val PICTURE = "picture"
        const val MODEL = "model"
    }
}
