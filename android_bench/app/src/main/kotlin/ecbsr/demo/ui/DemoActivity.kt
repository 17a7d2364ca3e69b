package ecbsr.demo.ui

import android.annotation.TargetApi
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.ClipData
import android.content.Intent
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.view.Menu
import android.view.View
import android.view.ViewGroup
import android.view.WindowInsets
import android.widget.Toast
import ecbsr.demo.DemoApp
import ecbsr.demo.R

/** The common part of all screens: layout, menu, status strip, updates from the view model, and other apps' documents. */
abstract class DemoActivity(private val layout: Int, private val menu: Int? = null) : Activity() {
    protected val viewModel get() = (application as DemoApp).viewModel
    private lateinit var status: StatusStrip
    private val listener = ::update
    private var couldExport: Boolean? = null // in the menu as it is shown
    private var restoredModel: String? = null

    /** Shows the state of the view model. */
    protected abstract fun show()

    /** Whether save and share are enabled. */
    protected open val canExport get() = false

    /** Receives the document that the user picks after [openDocument] or [createDocument]. */
    protected abstract fun onDocument(request: Int, uri: Uri)

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.screen)
        layoutInflater.inflate(layout, findViewById<ViewGroup>(R.id.content))
        setActionBar(findViewById(R.id.toolbar))
        actionBar!!.setDisplayHomeAsUpEnabled(parentActivityIntent != null)
        if (Build.VERSION.SDK_INT >= 30) avoidSystemBars(findViewById(R.id.screen))
        status = StatusStrip(this, viewModel)
        restoredModel = state?.getString(MODEL)
    }

    override fun onSaveInstanceState(state: Bundle) {
        super.onSaveInstanceState(state)
        viewModel.model?.let { state.putString(MODEL, it.name) }
    }

    /** Loads the model that was selected before the system ended the process, or else the first one. */
    protected fun loadModelIfNone() = viewModel.loadModelIfNone(restoredModel)

    /** Since Android 15, an app draws below the status and navigation bars: only a background may be there. */
    @TargetApi(30)
    private fun avoidSystemBars(screen: View) = screen.setOnApplyWindowInsetsListener { view, insets ->
        val bars = insets.getInsets(WindowInsets.Type.systemBars() or WindowInsets.Type.displayCutout())
        view.setPadding(bars.left, bars.top, bars.right, bars.bottom)
        WindowInsets.CONSUMED
    }

    /** Only the visible screen reacts to the view model: two picture screens would compare different regions. */
    override fun onStart() {
        super.onStart()
        viewModel.addListener(listener)
        update()
    }

    override fun onStop() {
        super.onStop()
        viewModel.removeListener(listener)
    }

    private fun update() {
        status.show()
        if (canExport != couldExport) invalidateOptionsMenu() // not for each step of a task: the menu may be open
        show()
    }

    override fun onCreateOptionsMenu(menu: Menu): Boolean {
        this.menu?.let { menuInflater.inflate(it, menu) }
        return true
    }

    override fun onPrepareOptionsMenu(menu: Menu): Boolean {
        couldExport = canExport
        for (item in listOf(R.id.share, R.id.save).mapNotNull(menu::findItem)) {
            item.isEnabled = canExport
            item.icon?.mutate()?.alpha = if (canExport) 255 else 100
        }
        return true
    }

    /** Returns to the picture screen as it is; the default recreates it. */
    override fun onNavigateUp(): Boolean {
        finish()
        return true
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val uri = data?.data?.takeIf { result == RESULT_OK } ?: return
        onDocument(request, uri)
    }

    protected fun openDocument(type: String, request: Int) = startDocumentPicker(Intent(Intent.ACTION_OPEN_DOCUMENT), type, request)

    /** The user picks the location, so the app needs no permission. */
    protected fun createDocument(type: String, name: String?, request: Int) =
        startDocumentPicker(Intent(Intent.ACTION_CREATE_DOCUMENT).putExtra(Intent.EXTRA_TITLE, name), type, request)

    private fun startDocumentPicker(intent: Intent, type: String, request: Int) = try {
        startActivityForResult(intent.addCategory(Intent.CATEGORY_OPENABLE).setType(type), request)
    } catch (_: ActivityNotFoundException) {
        viewModel.showError(getString(R.string.no_app))
    }

    /** Shares a file of this app with another app that the user picks. */
    protected fun share(uri: Uri, type: String) {
        val send = Intent(Intent.ACTION_SEND).setType(type).putExtra(Intent.EXTRA_STREAM, uri)
        send.clipData = ClipData.newRawUri(null, uri) // the permission applies to the clip data, not to the extra
        send.addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        startActivity(Intent.createChooser(send, null))
    }

    protected fun showSaved() = Toast.makeText(this, R.string.saved, Toast.LENGTH_SHORT).show()

    private companion object {
        const val MODEL = "model"
    }
}
