package ecbsr.demo

import android.app.Activity
import android.app.ActivityManager
import android.content.Intent
import android.content.pm.ConfigurationInfo
import android.graphics.Bitmap
import android.graphics.Canvas
import android.net.Uri
import android.os.Looper
import android.os.SystemClock
import android.view.MotionEvent
import android.view.View
import android.widget.TextView
import ecbsr.demo.core.Protocol
import ecbsr.demo.core.video.FakeDecoder
import ecbsr.demo.core.video.frame
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.File
import org.junit.Before
import org.junit.runner.RunWith
import org.junit.runners.model.FrameworkMethod
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.robolectric.internal.bytecode.InstrumentationConfiguration
import org.robolectric.shadow.api.Shadow
import org.robolectric.shadows.ShadowPausedLooper

/** Keeps native libraries out of Robolectric's class loaders, because a library can be loaded only once. */
class AppRunner(test: Class<*>) : RobolectricTestRunner(test) {
    override fun createClassLoaderConfig(method: FrameworkMethod): InstrumentationConfiguration =
        InstrumentationConfiguration.Builder(super.createClassLoaderConfig(method))
            .doNotAcquirePackage("org.bytedeco.").doNotAcquirePackage("org.lwjgl.").build()
}

/** Runs the app on Android 14 with native graphics and the desktop runtime. */
@RunWith(AppRunner::class)
@Config(sdk = [34], application = DemoApp::class, qualifiers = "w360dp-h720dp-hdpi", shadows = [RegionDecoder::class])
@GraphicsMode(GraphicsMode.Mode.NATIVE)
abstract class Screen {
    protected val app: DemoApp get() = RuntimeEnvironment.getApplication() as DemoApp
    protected val viewModel get() = app.viewModel

    @Before
    fun useDesktopRuntime() {
        app.engines = DesktopEngineFactory
        app.protocol = Protocol(rounds = 2, runs = 3, warmUps = 1)
        app.openDecoder = { FakeDecoder(frame("chelsea")) }
        setOpenGl(0x30000)
    }

    /** The version of OpenGL ES that the phone has. */
    protected fun setOpenGl(version: Int) {
        val info = ConfigurationInfo().apply { reqGlEsVersion = version }
        shadowOf(app.getSystemService(ActivityManager::class.java)).setDeviceConfigurationInfo(info)
    }

    /** Runs the main looper until [condition] holds. Background threads report changes as messages of the main looper. */
    protected fun waitUntil(condition: () -> Boolean) {
        val looper = Shadow.extract<ShadowPausedLooper>(Looper.getMainLooper())
        looper.idle()
        while (!condition()) {
            looper.poll(0) // until the next message
            looper.idle()
        }
    }

    /** Waits until all tasks are complete and shown. */
    protected fun settle() = waitUntil { viewModel.task == null }

    protected fun <T : Activity> start(screen: Class<T>): T = Robolectric.buildActivity(screen).setup().get().also { settle() }

    /** A document of another app. */
    protected fun document(bytes: ByteArray, name: String): Uri {
        val uri = Uri.parse("content://other.app/$name")
        shadowOf(app.contentResolver).registerInputStreamSupplier(uri) { ByteArrayInputStream(bytes) }
        return uri
    }

    /** A writable document of another app, and its content. */
    protected fun writableDocument(name: String): Pair<Uri, ByteArrayOutputStream> {
        val uri = Uri.parse("content://other.app/$name")
        val content = ByteArrayOutputStream()
        shadowOf(app.contentResolver).registerOutputStreamSupplier(uri) { content }
        return uri to content
    }

    /** The user picks [uri] in the document picker. */
    protected fun Activity.pick(uri: Uri) {
        val request = shadowOf(this).nextStartedActivityForResult
        shadowOf(this).receiveResult(request.intent, Activity.RESULT_OK, Intent().setData(uri))
    }

    protected fun View.touch(action: Int, vararg points: Pair<Float, Float>) {
        val properties = points.indices.map { MotionEvent.PointerProperties().apply { id = it; toolType = MotionEvent.TOOL_TYPE_FINGER } }
        val coordinates = points.map { (px, py) -> MotionEvent.PointerCoords().apply { x = px; y = py; pressure = 1f; size = 1f } }
        val now = SystemClock.uptimeMillis()
        val event = MotionEvent.obtain(now, now, action, points.size, properties.toTypedArray(), coordinates.toTypedArray(), 0, 0, 1f, 1f, 0, 0, 0, 0)
        dispatchTouchEvent(event)
        event.recycle()
        SystemClock.setCurrentTimeMillis(now + 16)
    }

    /** Renders the screen into a PNG after all tasks are complete. */
    protected fun Activity.screenshot(name: String) {
        settle()
        screenshotNow(name)
    }

    protected fun Activity.screenshotNow(name: String) = save(drawn(), name)

    protected fun Activity.drawn(): Bitmap {
        val root = window.decorView
        return Bitmap.createBitmap(root.width, root.height, Bitmap.Config.ARGB_8888).also { root.draw(Canvas(it)) }
    }

    protected fun save(bitmap: Bitmap, name: String) {
        val folder = File(System.getProperty("ecbsr.screens") ?: "../../build/app/screens").apply { mkdirs() }
        File(folder, "$name.png").outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
    }

    /** The end of the process, when the system needs memory: all unsaved state is lost. */
    protected fun endProcess() {
        val field = DemoApp::class.java.getDeclaredField("viewModel\$delegate").apply { isAccessible = true }
        field.set(app, lazy { DemoViewModel(app, app.engines, app.protocol, app.openDecoder) })
    }

    protected fun Activity.text(id: Int) = window.decorView.text(id)

    protected fun View.text(id: Int) = findViewById<TextView>(id).text.toString()

    /** Whether text is ellipsized or exceeds its view. */
    protected fun TextView.isCutOff(): Boolean {
        val lines = layout ?: return true
        val ellipsized = (0 until lines.lineCount).any { lines.getEllipsisCount(it) > 0 }
        return ellipsized || lines.height > height - compoundPaddingTop - compoundPaddingBottom || lines.lineCount > maxLines
    }
}
