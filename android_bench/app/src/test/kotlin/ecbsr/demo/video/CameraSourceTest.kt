package ecbsr.demo.video

import android.graphics.ImageFormat
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CaptureRequest
import android.hardware.camera2.impl.CameraCaptureSessionImpl
import android.hardware.camera2.impl.CameraDeviceImpl
import android.os.Handler
import android.util.Size
import ecbsr.demo.Screen
import ecbsr.demo.core.Backend
import java.util.concurrent.LinkedBlockingQueue
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Before
import org.junit.Test
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.annotation.RealObject
import org.robolectric.shadows.ShadowCameraCaptureSessionImpl
import org.robolectric.shadows.ShadowCameraCharacteristics
import org.robolectric.shadows.ShadowCameraDeviceImpl
import org.robolectric.shadows.StreamConfigurationMapBuilder

/** How a camera is opened, asked for pictures, lost and closed. Robolectric's cameras give no pictures. */
@Config(shadows = [RecordedSession::class, RecordedCamera::class])
class CameraSourceTest : Screen() {
    private val player get() = viewModel.video
    private val cameras get() = shadowOf(app.getSystemService(CameraManager::class.java))

    @Before
    fun selectModel() {
        requests.clear()
        closed.clear()
        viewModel.selectModel("ecbsr-m4c8-x2-int8")
        settle()
    }

    @After
    fun close() = player.close()

    private fun open() = player.open(VideoSource.Camera, VideoSettings(viewModel.model!!, null, Backend.Cpu(1)))

    private fun camera(facing: Int, vararg sizes: Size): CameraCharacteristics {
        val map = StreamConfigurationMapBuilder.newBuilder()
        for (size in sizes) map.addOutputSize(ImageFormat.YUV_420_888, size)
        val camera = ShadowCameraCharacteristics.newCameraCharacteristics()
        shadowOf(camera).set(CameraCharacteristics.LENS_FACING, facing)
        shadowOf(camera).set(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP, map.build())
        return camera
    }

    private fun addCamera() = cameras.addCamera("0", camera(CameraCharacteristics.LENS_FACING_BACK, Size(640, 480)))

    @Test
    fun asksTheBackCameraForPictures() {
        cameras.addCamera("0", camera(CameraCharacteristics.LENS_FACING_FRONT, Size(320, 240)))
        cameras.addCamera("1", camera(CameraCharacteristics.LENS_FACING_BACK, Size(1920, 1080), Size(960, 540), Size(640, 480)))
        open()
        assertEquals("1", requests.take())
        assertNull(player.error)
    }

    @Test
    fun aCameraThatIsTakenSaysSo() {
        addCamera()
        open()
        requests.take()
        cameras.triggerDisconnect()
        waitUntil { player.error != null }
        assertEquals("Another app took the camera, or it was unplugged.", player.error)
        assertEquals("0", closed.take())
    }

    @Test
    fun closingReturnsTheCameraAndItOpensAgain() {
        addCamera()
        for (i in 0 until 2) {
            open()
            requests.take()
            player.close()
            assertEquals("0", closed.take())
        }
    }

    @Test
    fun aCameraWithoutPicturesInYuvSaysSo() {
        cameras.addCamera("0", camera(CameraCharacteristics.LENS_FACING_BACK))
        open()
        waitUntil { player.error != null }
        assertEquals("The camera gives no pictures in YUV.", player.error)
    }
}

private val requests = LinkedBlockingQueue<String>()
private val closed = LinkedBlockingQueue<String>()

/** Records which cameras are asked for pictures; Robolectric's requests do not keep their settings. */
@Implements(CameraCaptureSessionImpl::class, isInAndroidSdk = false)
class RecordedSession : ShadowCameraCaptureSessionImpl() {
    @Implementation
    override fun setRepeatingRequest(request: CaptureRequest, callback: CameraCaptureSession.CaptureCallback?, handler: Handler?): Int {
        requests.add(request.logicalCameraId)
        return super.setRepeatingRequest(request, callback, handler)
    }
}

/** Records which cameras were closed. */
@Implements(CameraDeviceImpl::class, isInAndroidSdk = false, looseSignatures = true)
class RecordedCamera : ShadowCameraDeviceImpl() {
    @RealObject private lateinit var camera: CameraDeviceImpl

    @Implementation
    override fun close() {
        super.close()
        closed.add(camera.id)
    }
}
