package ecbsr.demo.ui

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.ClipData
import android.content.Intent
import android.net.Uri
import ecbsr.demo.R
import ecbsr.demo.workbench

/** Starts what another app does, or says that none can. */
fun Activity.ask(intent: Intent, request: Int) = try {
    startActivityForResult(intent, request)
} catch (_: ActivityNotFoundException) {
    workbench.say(getString(R.string.no_app))
}

fun chooseFile(type: String): Intent =
    Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType(type)

/** The person picks the place, so that no permission is needed. */
fun createFile(type: String, name: String): Intent =
    Intent(Intent.ACTION_CREATE_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType(type).putExtra(Intent.EXTRA_TITLE, name)

/** Offers a file of this app's to other apps, readable by the one that is picked. */
fun Activity.offer(uri: Uri, type: String) {
    val send = Intent(Intent.ACTION_SEND).setType(type).putExtra(Intent.EXTRA_STREAM, uri)
    send.clipData = ClipData.newRawUri(null, uri) // the permission follows the clip, not the extra
    send.addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
    startActivity(Intent.createChooser(send, null))
}
