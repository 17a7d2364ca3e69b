package ecbsr.demo.video

import android.annotation.SuppressLint
import android.content.Context
import android.graphics.ImageFormat
import android.hardware.DataSpace
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CaptureRequest
import android.media.Image
import android.media.ImageReader
import android.os.Build
import android.os.Handler
import android.os.HandlerThread
import android.os.SystemClock
import android.util.Range
import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException
import ecbsr.demo.core.video.CameraChoice
import ecbsr.demo.core.video.PlaneCopier
import ecbsr.demo.core.video.VideoColor
import ecbsr.demo.core.video.VideoPipeline

/**
 * The preview of a camera. Its images are copied and closed in the callback, because a camera stops when nobody returns
 * its images.
 *
 * @param displayRotation the rotation of the screen's content in degrees, which can change.
 * @param onFailed receives, on the camera's thread, why there are no pictures or no more of them.
 */
class CameraSource(
    private val context: Context,
    private val pipeline: VideoPipeline,
    private val displayRotation: () -> Int,
    private val onFailed: (String) -> Unit,
) : AutoCloseable {
    private val manager = context.getSystemService(CameraManager::class.java)
    private val thread = HandlerThread("camera").apply { start() }
    private val handler = Handler(thread.looper)
    private val copier = PlaneCopier()
    private var device: CameraDevice? = null
    private var reader: ImageReader? = null
    private var isClosed = false
    private var hasFailed = false
    private lateinit var characteristics: CameraCharacteristics

    /** Opens the camera; [onFailed] reports errors. */
    fun start() {
        handler.post { translateErrors(::open) }
    }

    /** Closes the camera, and waits until no more images come. */
    override fun close() {
        handler.post {
            isClosed = true
            device?.close()
            reader?.close()
            thread.quitSafely()
        }
        thread.join()
    }

    @SuppressLint("MissingPermission") // the screen asks for it before; a SecurityException is reported
    private fun open() {
        if (isClosed) return
        val id = chooseCamera() ?: throw UserFacingException("This phone has no camera.")
        characteristics = manager.getCameraCharacteristics(id)
        val map = characteristics.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP)
        val sizes = map?.getOutputSizes(ImageFormat.YUV_420_888).orEmpty().map { Size(it.width, it.height) }
        val size = CameraChoice.size(sizes) ?: throw UserFacingException("The camera gives no pictures in YUV.")
        reader = ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, IMAGES).apply {
            setOnImageAvailableListener({ translateErrors { receive(it) } }, handler)
        }
        manager.openCamera(id, deviceCallback, handler)
    }

    private fun chooseCamera(): String? {
        val ids = manager.cameraIdList
        return ids.firstOrNull { facing(it) == CameraCharacteristics.LENS_FACING_BACK } ?: ids.firstOrNull()
    }

    private fun facing(id: String) = manager.getCameraCharacteristics(id).get(CameraCharacteristics.LENS_FACING)

    private val deviceCallback = object : CameraDevice.StateCallback() {
        override fun onOpened(camera: CameraDevice) {
            device = camera
            if (isClosed) return camera.close()
            translateErrors { createSession(camera) }
        }

        override fun onDisconnected(camera: CameraDevice) {
            camera.close()
            fail("Another app took the camera, or it was unplugged.")
        }

        override fun onError(camera: CameraDevice, error: Int) {
            camera.close()
            fail(deviceError(error))
        }
    }

    private fun createSession(camera: CameraDevice) {
        val surface = reader!!.surface
        val callback = object : CameraCaptureSession.StateCallback() {
            override fun onConfigured(session: CameraCaptureSession) {
                if (!isClosed) translateErrors { session.setRepeatingRequest(request(camera), null, handler) }
            }

            override fun onConfigureFailed(session: CameraCaptureSession) = fail("The camera rejects the picture size ${reader!!.width}x${reader!!.height}.")
        }
        @Suppress("DEPRECATION") // the replacement needs Android 9
        camera.createCaptureSession(listOf(surface), callback, handler)
    }

    private fun request(camera: CameraDevice): CaptureRequest = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW).apply {
        addTarget(reader!!.surface)
        val offered = characteristics.get(CameraCharacteristics.CONTROL_AE_AVAILABLE_TARGET_FPS_RANGES).orEmpty()
        CameraChoice.rates(offered.map { it.lower..it.upper })?.let { set(CaptureRequest.CONTROL_AE_TARGET_FPS_RANGE, Range(it.first, it.last)) }
    }.build()

    private fun receive(reader: ImageReader) {
        if (isClosed) return
        reader.acquireLatestImage()?.use { image ->
            pipeline.submit(image.visibleSize) { frame ->
                image.copyTo(frame, copier)
                frame.color = colorOf(image)
                frame.rotation = rotation()
                frame.timeMicros = image.timestamp / 1000
                frame.captureNanos = captureNanos(image.timestamp)
            }
        }
    }

    private fun rotation(): Int {
        val sensor = characteristics.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0
        val isFront = characteristics.get(CameraCharacteristics.LENS_FACING) == CameraCharacteristics.LENS_FACING_FRONT
        return CameraChoice.rotation(sensor, displayRotation(), isFront)
    }

    /** The time stamp on the clock of `System.nanoTime`. A source that is unknown roughly has that clock already. */
    private fun captureNanos(timestamp: Long): Long {
        val source = characteristics.get(CameraCharacteristics.SENSOR_INFO_TIMESTAMP_SOURCE)
        if (source != CameraCharacteristics.SENSOR_INFO_TIMESTAMP_SOURCE_REALTIME) return timestamp
        return timestamp - (SystemClock.elapsedRealtimeNanos() - System.nanoTime())
    }

    /** Android's cameras give what JPEG stores, unless the image says otherwise. */
    private fun colorOf(image: Image): VideoColor {
        val dataSpace = if (Build.VERSION.SDK_INT >= 33) image.dataSpace else DataSpace.DATASPACE_UNKNOWN
        if (dataSpace == DataSpace.DATASPACE_UNKNOWN) return JPEG
        return JPEG.copy(
            isFullRange = DataSpace.getRange(dataSpace) != DataSpace.RANGE_LIMITED,
            isBt709 = DataSpace.getStandard(dataSpace) == DataSpace.STANDARD_BT709,
        )
    }

    private fun translateErrors(action: () -> Unit) = try {
        action()
    } catch (error: UserFacingException) {
        fail(error.message)
    } catch (error: CameraAccessException) {
        fail(accessError(error.reason))
    } catch (_: SecurityException) {
        fail("The app has no permission to use the camera: allow it in the settings of the phone.")
    } catch (error: IllegalArgumentException) {
        fail("The camera rejects the request: ${error.message}.")
    } catch (error: IllegalStateException) {
        fail("The camera stopped: ${error.message}.") // it was closed meanwhile
    }

    private fun fail(message: String) {
        if (!isClosed && !hasFailed) onFailed(message)
        hasFailed = true
    }

    companion object {
        private const val IMAGES = 3
        private val JPEG = VideoColor(isFullRange = true, isBt709 = false, chromaIsLeft = false)

        internal fun deviceError(error: Int) = when (error) {
            CameraDevice.StateCallback.ERROR_CAMERA_IN_USE -> IN_USE
            CameraDevice.StateCallback.ERROR_MAX_CAMERAS_IN_USE -> TOO_MANY
            CameraDevice.StateCallback.ERROR_CAMERA_DISABLED -> DISABLED
            else -> "The camera failed (error $error): start it again."
        }

        internal fun accessError(reason: Int) = when (reason) {
            CameraAccessException.CAMERA_IN_USE -> IN_USE
            CameraAccessException.MAX_CAMERAS_IN_USE -> TOO_MANY
            CameraAccessException.CAMERA_DISABLED -> DISABLED
            CameraAccessException.CAMERA_DISCONNECTED -> "The camera was unplugged."
            else -> "The camera failed (reason $reason): start it again."
        }

        private const val IN_USE = "Another app uses the camera: close it and start the camera again."
        private const val TOO_MANY = "Other apps use all cameras that the phone can run at once: close them and start the camera again."
        private const val DISABLED = "The camera is disabled on this phone by its settings or its administrator."
    }
}
