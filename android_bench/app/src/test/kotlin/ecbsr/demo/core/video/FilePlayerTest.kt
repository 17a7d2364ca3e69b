package ecbsr.demo.core.video

import ecbsr.demo.core.Backend
import ecbsr.demo.core.Size
import java.util.concurrent.LinkedBlockingQueue
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class FilePlayerTest {
    private val pictures = LinkedBlockingQueue<Long>()
    private val failures = LinkedBlockingQueue<String>()
    private val opened = LinkedBlockingQueue<Long>()

    @Volatile private var nanos = 0L
    private val playback = Playback { nanos }
    private val statistics = VideoStatistics()
    private val listener = object : VideoListener {
        override fun onPicture() = pictures.put(pipeline.latest().frame!!.timeMicros)

        override fun onEffort(effort: Effort, cause: Cause) = Unit

        override fun onModelFailed(message: String) = failures.put(message)
    }
    private val pipeline: VideoPipeline = VideoPipeline(
        model("made-y-x4-int8"), null, Backend.Cpu(1), Pacer(playback), FakePlatform(), listener, statistics,
        SessionRecord("file", "", statistics),
    )
    private lateinit var player: FilePlayer

    private fun play(decoder: VideoDecoder, atMicros: Long = 0) {
        val files = object : FileListener {
            override fun onOpened(durationMicros: Long) = opened.put(durationMicros)

            override fun onFailed(message: String) = failures.put(message)
        }
        pipeline.start()
        player = FilePlayer({ decoder }, playback, pipeline, files)
        if (atMicros > 0) player.seek(atMicros)
        player.start()
    }

    @After
    fun close() {
        pipeline.close()
        player.close()
    }

    @Test
    fun picturesFollowTheClock() {
        play(decoder())
        assertEquals(4_000_000L, opened.take())
        assertEquals(0L, pictures.take())
        playback.start()
        for (i in 1..20) {
            nanos = i * 40_000_000L
            assertEquals(i * 40_000L, pictures.take())
        }
        assertEquals(0, statistics.droppedCount)
    }

    /** A key frame is up to a second before the target: the pictures between are decoded, but not shown. */
    @Test
    fun aJumpShowsExactlyItsTarget() {
        play(decoder())
        pictures.take()
        player.seek(2_480_000)
        assertEquals(2_480_000L, pictures.take())
        player.seek(520_000)
        assertEquals(520_000L, pictures.take())
        assertEquals(520_000L, playback.positionMicros)
    }

    /** Only a picture starts the clock, and there is none there. */
    @Test
    fun aJumpBehindTheLastPictureStartsAgain() {
        play(decoder(), atMicros = 3_990_000)
        assertEquals(0L, pictures.take())
        player.seek(4_000_000)
        assertEquals(0L, pictures.take())
        assertEquals(0L, playback.positionMicros)
    }

    @Test
    fun aFileCanStartInTheMiddle() {
        play(decoder(), atMicros = 1_240_000)
        assertEquals(1_240_000L, pictures.take())
    }

    @Test
    fun theFileStartsAgainAtItsEnd() {
        play(FakeDecoder(noise(Size(8, 8)), count = 3))
        pictures.take()
        playback.start()
        nanos = 40_000_000
        pictures.take()
        nanos = 80_000_000
        pictures.take()
        nanos = 120_000_000 // the last picture is over
        assertEquals(0L, pictures.take())
        assertEquals(0L, playback.positionMicros)
    }

    @Test
    fun aDecoderThatFailsIsReportedAndClosed() {
        val decoder = FakeDecoder(noise(Size(8, 8)), failAt = 1)
        play(decoder)
        assertEquals("The phone's decoder failed: test.", failures.take())
        player.close()
        assertTrue(decoder.isClosed)
    }

    @Test
    fun aFileWithoutPicturesIsReported() {
        play(FakeDecoder(noise(Size(8, 8)), count = 0))
        assertEquals("The video has no pictures.", failures.take())
    }

    private fun decoder() = FakeDecoder(noise(Size(8, 8)))
}
