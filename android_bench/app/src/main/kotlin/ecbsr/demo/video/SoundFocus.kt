package ecbsr.demo.video

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.media.AudioAttributes
import android.media.AudioFocusRequest
import android.media.AudioManager
import android.os.Build

/**
 * Whether this app may play sound: not during a call, while another app plays, or after headphones are unplugged.
 *
 * @param onLost receives whether the interruption will end, as that by a call.
 */
class SoundFocus(private val context: Context, private val onLost: (isTransient: Boolean) -> Unit, private val onGained: () -> Unit) {
    private val manager = context.getSystemService(AudioManager::class.java)
    private var request: AudioFocusRequest? = null
    private val unplugged = object : BroadcastReceiver() {
        override fun onReceive(context: Context, intent: Intent) = onLost(false)
    }

    /** Asks to play sound; returns whether it may be played. */
    fun request(): Boolean {
        if (request != null) return true
        val attributes = AudioAttributes.Builder().setUsage(AudioAttributes.USAGE_MEDIA).build()
        val asked = AudioFocusRequest.Builder(AudioManager.AUDIOFOCUS_GAIN)
            .setAudioAttributes(attributes).setOnAudioFocusChangeListener(::onChange).build()
        if (manager.requestAudioFocus(asked) != AudioManager.AUDIOFOCUS_REQUEST_GRANTED) return false
        request = asked
        val filter = IntentFilter(AudioManager.ACTION_AUDIO_BECOMING_NOISY)
        if (Build.VERSION.SDK_INT >= 33) {
            context.registerReceiver(unplugged, filter, Context.RECEIVER_NOT_EXPORTED)
        } else {
            context.registerReceiver(unplugged, filter)
        }
        return true
    }

    fun abandon() {
        manager.abandonAudioFocusRequest(request ?: return)
        context.unregisterReceiver(unplugged)
        request = null
    }

    private fun onChange(change: Int) = when (change) {
        AudioManager.AUDIOFOCUS_GAIN -> onGained()
        AudioManager.AUDIOFOCUS_LOSS_TRANSIENT -> onLost(true)
        AudioManager.AUDIOFOCUS_LOSS -> {
            abandon() // asked for again when the user plays on
            onLost(false)
        }
        else -> Unit // the system lowers the volume itself
    }
}
