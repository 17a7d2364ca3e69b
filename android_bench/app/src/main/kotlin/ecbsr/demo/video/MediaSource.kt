package ecbsr.demo.video

import android.content.Context
import android.media.MediaExtractor
import android.media.MediaPlayer
import android.net.Uri

/** A video file: the clip of the app, or a document of another app. */
class MediaSource(private val context: Context, private val uri: Uri?) {
    fun openExtractor(extractor: MediaExtractor) {
        if (uri != null) return extractor.setDataSource(context, uri, null)
        context.assets.openFd(CLIP).use { extractor.setDataSource(it.fileDescriptor, it.startOffset, it.length) }
    }

    fun openPlayer(player: MediaPlayer) {
        if (uri != null) return player.setDataSource(context, uri)
        context.assets.openFd(CLIP).use { player.setDataSource(it.fileDescriptor, it.startOffset, it.length) }
    }

    private companion object {
        const val CLIP = "clip.mp4"
    }
}
