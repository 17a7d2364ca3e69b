package ecbsr.demo.video

import android.media.AudioAttributes
import android.media.MediaPlayer
import android.util.Log
import ecbsr.demo.core.video.Sound
import java.io.IOException

/** Plays the sound of a file. A [MediaPlayer] without a surface plays only that. */
class MediaSound private constructor(private val player: MediaPlayer) : Sound {
    private var isPlaying = false
    private var isSeeking = false
    private var isOver = false

    init {
        player.setOnSeekCompleteListener { synchronized(this) { isSeeking = false } }
        player.setOnCompletionListener { synchronized(this) { isOver = true } }
    }

    @Synchronized
    override fun start() {
        isPlaying = true
        if (!isOver) player.start()
    }

    @Synchronized
    override fun pause() {
        isPlaying = false
        if (player.isPlaying) player.pause()
    }

    @Synchronized
    override fun seek(micros: Long) {
        isSeeking = true
        isOver = false
        player.seekTo(micros / 1000, MediaPlayer.SEEK_CLOSEST)
        if (isPlaying) player.start() // it can have ended before
    }

    @Synchronized
    override fun timestamp(): Sound.Timestamp? {
        if (!isPlaying || isSeeking || isOver || !player.isPlaying) return null
        val timestamp = player.timestamp ?: return null
        if (timestamp.mediaClockRate == 0f) return null // it is not heard yet
        return Sound.Timestamp(timestamp.anchorMediaTimeUs, timestamp.anchorSystemNanoTime)
    }

    @Synchronized
    override fun close() = player.release()

    companion object {
        /** The sound of a file, or null if it has none that this phone plays. */
        fun open(source: MediaSource): MediaSound? {
            val player = MediaPlayer()
            try {
                player.setAudioAttributes(
                    AudioAttributes.Builder().setUsage(AudioAttributes.USAGE_MEDIA).setContentType(AudioAttributes.CONTENT_TYPE_MOVIE).build(),
                )
                source.openPlayer(player)
                player.prepare()
                if (player.trackInfo.any { it.trackType == MediaPlayer.TrackInfo.MEDIA_TRACK_TYPE_AUDIO }) return MediaSound(player)
            } catch (error: IOException) {
                Log.w("ecbsr", "sound", error)
            } catch (error: RuntimeException) { // also of a provider
                Log.w("ecbsr", "sound", error)
            }
            player.release()
            return null
        }
    }
}
