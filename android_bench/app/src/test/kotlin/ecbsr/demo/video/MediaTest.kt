package ecbsr.demo.video

import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraDevice
import android.media.MediaFormat
import android.net.Uri
import ecbsr.demo.Screen
import ecbsr.demo.core.UserFacingException
import ecbsr.demo.core.video.VideoColor
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** What files and cameras report, in words. Robolectric has no decoders, no camera pictures and no sound. */
class MediaTest : Screen() {
    @Test
    fun aFileWithoutVideoIsRejected() {
        val error = assertThrows(UserFacingException::class.java) { MediaFileDecoder(MediaSource(app, null)) }
        assertEquals("The file has no video that this phone can read.", error.message)
    }

    @Test
    fun aFileWithoutSoundPlaysSilently() {
        assertNull(MediaSound.open(MediaSource(app, null)))
        assertNull(MediaSound.open(MediaSource(app, Uri.parse("content://other.app/video.mp4"))))
    }

    @Test
    fun colorsComeFromTheFileOrElseFromItsSize() {
        fun format(height: Int, vararg colors: Pair<String, Int>) =
            MediaFormat.createVideoFormat("video/avc", height * 16 / 9, height).apply { for ((key, value) in colors) setInteger(key, value) }
        assertEquals(VideoColor(false, false, true), MediaFileDecoder.colorOf(format(480)))
        assertEquals(VideoColor(false, true, true), MediaFileDecoder.colorOf(format(720)))
        val tagged = format(
            720, MediaFormat.KEY_COLOR_STANDARD to MediaFormat.COLOR_STANDARD_BT601_PAL, MediaFormat.KEY_COLOR_RANGE to MediaFormat.COLOR_RANGE_FULL,
        )
        assertEquals(VideoColor(true, false, true), MediaFileDecoder.colorOf(tagged))
        for (transfer in listOf(MediaFormat.COLOR_TRANSFER_ST2084, MediaFormat.COLOR_TRANSFER_HLG)) {
            val hdr = format(2160, MediaFormat.KEY_COLOR_TRANSFER to transfer)
            assertTrue(assertThrows(UserFacingException::class.java) { MediaFileDecoder.colorOf(hdr) }.message.startsWith("The video is HDR"))
        }
    }

    @Test
    fun cameraErrorsAreSentences() {
        val inUse = "Another app uses the camera: close it and start the camera again."
        assertEquals(inUse, CameraSource.deviceError(CameraDevice.StateCallback.ERROR_CAMERA_IN_USE))
        assertEquals(inUse, CameraSource.accessError(CameraAccessException.CAMERA_IN_USE))
        assertEquals("The camera was unplugged.", CameraSource.accessError(CameraAccessException.CAMERA_DISCONNECTED))
        assertEquals("The camera failed (error 4): start it again.", CameraSource.deviceError(CameraDevice.StateCallback.ERROR_CAMERA_DEVICE))
    }
}
