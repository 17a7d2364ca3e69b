package ecbsr.demo.video

import android.graphics.ImageFormat
import android.media.MediaCodec
import android.media.MediaCodecInfo
import android.media.MediaExtractor
import android.media.MediaFormat
import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException
import ecbsr.demo.core.video.PlaneCopier
import ecbsr.demo.core.video.VideoColor
import ecbsr.demo.core.video.VideoDecoder
import ecbsr.demo.core.video.YuvFrame
import java.io.IOException

/**
 * Decodes a file with the phone's decoders. The decoder's pictures are read as [android.media.Image] from its output
 * buffers, copied, and given back at once.
 *
 * @throws UserFacingException when the phone cannot read or decode the file.
 */
class MediaFileDecoder(source: MediaSource) : VideoDecoder {
    private val extractor = MediaExtractor()
    private val codec: MediaCodec
    private val info = MediaCodec.BufferInfo()
    private val copier = PlaneCopier()
    private val inputFormat: MediaFormat
    private var color: VideoColor
    private var rotation = 0
    private var isInputDone = false
    override val durationMicros: Long

    init {
        try {
            source.openExtractor(extractor)
            val track = (0 until extractor.trackCount).firstOrNull { mime(extractor.getTrackFormat(it)).startsWith("video/") }
                ?: throw UserFacingException("The file has no video that this phone can read.")
            inputFormat = extractor.getTrackFormat(track)
            extractor.selectTrack(track)
            rotation = inputFormat.intOr(MediaFormat.KEY_ROTATION, 0)
            color = colorOf(inputFormat)
            durationMicros = if (inputFormat.containsKey(MediaFormat.KEY_DURATION)) inputFormat.getLong(MediaFormat.KEY_DURATION) else 0
            codec = openCodec()
        } catch (error: Exception) {
            extractor.release()
            throw when (error) {
                is IOException -> UserFacingException("The video cannot be read: ${error.message}.", error)
                is SecurityException -> UserFacingException("The app has no permission to read the video: choose it again.", error)
                else -> error
            }
        }
    }

    private fun openCodec(): MediaCodec {
        val mime = mime(inputFormat)
        inputFormat.setInteger(MediaFormat.KEY_COLOR_FORMAT, MediaCodecInfo.CodecCapabilities.COLOR_FormatYUV420Flexible)
        val codec = try {
            MediaCodec.createDecoderByType(mime)
        } catch (error: IOException) {
            throw UserFacingException("This phone has no decoder for $mime.", error)
        } catch (error: IllegalArgumentException) {
            throw UserFacingException("This phone has no decoder for $mime.", error)
        }
        try {
            codec.configure(inputFormat, null, null, 0)
            codec.start()
            return codec
        } catch (error: RuntimeException) { // also when other apps use all decoders
            codec.release()
            throw UserFacingException("The phone's decoder for $mime does not start: ${error.message}.", error)
        }
    }

    override fun next(sink: (timeMicros: Long, size: Size, fill: (YuvFrame) -> Unit) -> Unit): Boolean {
        try {
            while (true) {
                feed()
                val index = codec.dequeueOutputBuffer(info, WAIT_MICROS)
                if (index == MediaCodec.INFO_OUTPUT_FORMAT_CHANGED) color = colorOf(codec.outputFormat)
                if (index < 0) continue
                val isPicture = info.size > 0
                if (isPicture) pass(index, sink) else codec.releaseOutputBuffer(index, false)
                if (info.flags and MediaCodec.BUFFER_FLAG_END_OF_STREAM != 0) return false
                if (isPicture) return true
            }
        } catch (error: IllegalStateException) { // MediaCodec.CodecException is one
            throw UserFacingException("The phone's decoder failed: ${error.message}.", error)
        }
    }

    override fun seek(micros: Long) {
        try {
            extractor.seekTo(micros, MediaExtractor.SEEK_TO_PREVIOUS_SYNC)
            codec.flush()
            isInputDone = false
        } catch (error: IllegalStateException) {
            throw UserFacingException("The phone's decoder failed: ${error.message}.", error)
        }
    }

    override fun close() {
        codec.release()
        extractor.release()
    }

    private fun feed() {
        while (!isInputDone) {
            val index = codec.dequeueInputBuffer(0)
            if (index < 0) return
            val size = extractor.readSampleData(codec.getInputBuffer(index)!!, 0)
            isInputDone = size < 0
            if (isInputDone) {
                codec.queueInputBuffer(index, 0, 0, 0, MediaCodec.BUFFER_FLAG_END_OF_STREAM)
            } else {
                codec.queueInputBuffer(index, 0, size, extractor.sampleTime, 0)
                extractor.advance()
            }
        }
    }

    /** The buffer goes back to the decoder as soon as it is copied, not when the pipeline has a place for the picture. */
    private fun pass(index: Int, sink: (Long, Size, (YuvFrame) -> Unit) -> Unit) {
        val timeMicros = info.presentationTimeUs
        var isReleased = false
        fun release() {
            if (!isReleased) codec.releaseOutputBuffer(index, false)
            isReleased = true
        }
        val image = codec.getOutputImage(index)
        try {
            if (image == null || image.format != ImageFormat.YUV_420_888) {
                throw UserFacingException("The phone's decoder gives pictures with more than 8 bits, or in an unknown format.")
            }
            sink(timeMicros, image.visibleSize) { frame ->
                image.copyTo(frame, copier)
                image.close()
                release()
                frame.color = color
                frame.rotation = rotation
                frame.captureNanos = 0
            }
        } finally {
            image?.close()
            release()
        }
    }

    companion object {
        private const val WAIT_MICROS = 10_000L
        private const val HD_HEIGHT = 720

        private fun mime(format: MediaFormat) = format.getString(MediaFormat.KEY_MIME).orEmpty()

        private fun MediaFormat.intOr(key: String, default: Int) = if (containsKey(key)) getInteger(key) else default

        /** The colors that a format states, or else those that its size suggests. @throws UserFacingException for HDR. */
        internal fun colorOf(format: MediaFormat): VideoColor {
            val transfer = format.intOr(MediaFormat.KEY_COLOR_TRANSFER, 0)
            if (transfer == MediaFormat.COLOR_TRANSFER_ST2084 || transfer == MediaFormat.COLOR_TRANSFER_HLG) {
                throw UserFacingException("The video is HDR, which this app does not show: choose an SDR video.")
            }
            val standard = format.intOr(MediaFormat.KEY_COLOR_STANDARD, 0)
            val isBt709 = if (standard == 0) format.intOr(MediaFormat.KEY_HEIGHT, 0) >= HD_HEIGHT else standard == MediaFormat.COLOR_STANDARD_BT709
            val isFullRange = format.intOr(MediaFormat.KEY_COLOR_RANGE, 0) == MediaFormat.COLOR_RANGE_FULL
            return VideoColor(isFullRange, isBt709, chromaIsLeft = true)
        }
    }
}
