package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

/** The clock of a file with sound, and what to take of a camera. */
class PlaybackTest {
    private class FakeSound : Sound {
        val calls = mutableListOf<String>()
        var stamp: Sound.Timestamp? = null

        override fun start() {
            calls += "start"
        }

        override fun pause() {
            calls += "pause"
        }

        override fun seek(micros: Long) {
            calls += "seek $micros"
        }

        override fun timestamp() = stamp

        override fun close() {
            calls += "close"
        }
    }

    private var nanos = 0L
    private val sound = FakeSound()
    private val playback = Playback { nanos }

    @Test
    fun picturesFollowTheSound() {
        playback.attach(sound)
        playback.start()
        nanos = 300_000_000
        assertEquals(300_000L, playback.positionMicros) // the sound is not heard yet
        sound.stamp = Sound.Timestamp(micros = 100_000, nanos = 290_000_000) // it started late
        assertEquals(110_000L, playback.positionMicros)
        nanos = 800_000_000
        assertEquals(610_000L, playback.positionMicros)
        sound.stamp = null // the sound is shorter than the pictures
        nanos = 900_000_000
        assertEquals(710_000L, playback.positionMicros)
        playback.pause()
        nanos = 5_000_000_000
        assertEquals(710_000L, playback.positionMicros)
        assertEquals(listOf("start", "pause"), sound.calls)
    }

    @Test
    fun soundThatOpensLateStartsWhereThePictureIs() {
        playback.start()
        nanos = 500_000_000
        playback.attach(sound)
        assertEquals(listOf("seek 500000", "start"), sound.calls)
        playback.seek(2_000_000)
        assertEquals(2_000_000L, playback.positionMicros)
        playback.close()
        playback.start()
        assertEquals(listOf("seek 500000", "start", "seek 2000000", "close"), sound.calls)
    }

    @Test
    fun soundThatOpensAfterTheEndIsClosed() {
        playback.close()
        playback.attach(sound)
        assertEquals(listOf("close"), sound.calls)
    }

    @Test
    fun theCameraGivesWhatTheModelCanUpscaleInTime() {
        val phone = listOf(Size(4000, 3000), Size(1920, 1080), Size(1280, 720), Size(720, 480), Size(640, 480), Size(640, 360), Size(176, 144))
        assertEquals(Size(720, 480), CameraChoice.size(phone))
        assertEquals(Size(960, 540), CameraChoice.size(phone + Size(960, 540) + Size(720, 720)))
        assertEquals(Size(1280, 720), CameraChoice.size(listOf(Size(1920, 1080), Size(1280, 720))))
        assertNull(CameraChoice.size(emptyList()))
        assertEquals(30..30, CameraChoice.rates(listOf(15..30, 30..30, 30..60, 60..60)))
        assertEquals(15..24, CameraChoice.rates(listOf(15..24, 7..15)))
    }

    /** An upright phone has a back camera that is turned by 90 degrees, and often a front camera by 270. */
    @Test
    fun theCameraPictureIsTurnedUpright() {
        assertEquals(listOf(90, 0, 270, 180), listOf(0, 90, 180, 270).map { CameraChoice.rotation(90, it, isFront = false) })
        assertEquals(listOf(270, 0, 90, 180), listOf(0, 90, 180, 270).map { CameraChoice.rotation(270, it, isFront = true) })
    }
}
