package ecbsr.demo

import android.app.Activity
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Canvas
import android.net.Uri
import android.os.Looper
import android.os.SystemClock
import android.view.MotionEvent
import android.view.View
import android.widget.TextView
import ecbsr.demo.core.Pixels
import ecbsr.demo.core.Protocol
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.File
import org.junit.Before
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.robolectric.internal.bytecode.InstrumentationConfiguration
import org.junit.runners.model.FrameworkMethod

/** Leaves the native runtime outside Robolectric's class loaders, since a library is loaded once only. */
class AppRunner(test: Class<*>) : RobolectricTestRunner(test) {
    override fun createClassLoaderConfig(method: FrameworkMethod): InstrumentationConfiguration =
        InstrumentationConfiguration.Builder(super.createClassLoaderConfig(method)).doNotAcquirePackage("org.bytedeco.").build()
}

/** The app on Android 14 with true graphics, and the desktop runtime behind the seam. */
@RunWith(AppRunner::class)
@Config(sdk = [34], application = DemoApp::class, qualifiers = "w360dp-h720dp-hdpi", shadows = [RegionDecoder::class])
@GraphicsMode(GraphicsMode.Mode.NATIVE)
abstract class Screen {
    protected val app: DemoApp get() = RuntimeEnvironment.getApplication() as DemoApp
    protected val workbench get() = app.workbench

    @Before
    fun useTheDesktopRuntime() {
        app.engines = DesktopEngines
        app.protocol = Protocol(rounds = 2, runs = 3, warmUp = 1)
    }

    /** Waits until nothing runs in the background and the screen has caught up. */
    protected fun settle(limit: Int = 240) {
        val end = System.nanoTime() + limit * 1_000_000_000L
        do {
            shadowOf(Looper.getMainLooper()).idle()
            if (workbench.task == null) return
            Thread.sleep(5)
        } while (System.nanoTime() < end)
        error("still at work after $limit s")
    }

    /** A document of another app's. */
    protected fun document(bytes: ByteArray, name: String): Uri {
        val uri = Uri.parse("content://other.app/$name")
        shadowOf(app.contentResolver).registerInputStreamSupplier(uri) { ByteArrayInputStream(bytes) }
        return uri
    }

    /** A place that another app gave to write to. */
    protected fun place(name: String): Pair<Uri, ByteArrayOutputStream> {
        val (uri, out) = Uri.parse("content://other.app/$name") to ByteArrayOutputStream()
        shadowOf(app.contentResolver).registerOutputStreamSupplier(uri) { out }
        return uri to out
    }

    /** What the person did in the app that [intent] started: picked [uri]. */
    protected fun Activity.answer(uri: Uri) {
        val asked = shadowOf(this).nextStartedActivityForResult
        shadowOf(this).receiveResult(asked.intent, Activity.RESULT_OK, Intent().setData(uri))
    }

    protected fun View.touch(action: Int, vararg points: Pair<Float, Float>) {
        val properties = points.indices.map { MotionEvent.PointerProperties().apply { id = it; toolType = MotionEvent.TOOL_TYPE_FINGER } }
        val places = points.map { (px, py) -> MotionEvent.PointerCoords().apply { x = px; y = py; pressure = 1f; size = 1f } }
        val now = SystemClock.uptimeMillis()
        val event = MotionEvent.obtain(now, now, action, points.size, properties.toTypedArray(), places.toTypedArray(), 0, 0, 1f, 1f, 0, 0, 0, 0)
        dispatchTouchEvent(event)
        event.recycle()
        SystemClock.setCurrentTimeMillis(now + 16)
    }

    /** What is on the screen, also written as a PNG to look at. */
    protected fun Activity.picture(name: String): Pixels {
        settle()
        return pictureNow(name)
    }

    protected fun Activity.pictureNow(name: String): Pixels {
        val root = window.decorView
        val bitmap = Bitmap.createBitmap(root.width, root.height, Bitmap.Config.ARGB_8888)
        root.draw(Canvas(bitmap))
        val folder = File(System.getProperty("ecbsr.screens") ?: "../../build/app/screens").apply { mkdirs() }
        File(folder, "$name.png").outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
        return bitmap.pixels()
    }

    /** What the system does when it needs the memory: everything that is not saved is gone. */
    protected fun endProcess() {
        val field = DemoApp::class.java.getDeclaredField("workbench\$delegate").apply { isAccessible = true }
        field.set(app, lazy { Workbench(app, app.engines, app.protocol) })
    }

    /** Whether text is shortened or drawn outside its view. */
    protected fun TextView.cutOff(): Boolean {
        val lines = layout ?: return true
        val shortened = (0 until lines.lineCount).any { lines.getEllipsisCount(it) > 0 }
        return shortened || lines.height > height - compoundPaddingTop - compoundPaddingBottom || lines.lineCount > maxLines
    }

    protected fun Bitmap.pixels(): Pixels {
        val argb = IntArray(width * height)
        getPixels(argb, 0, width, 0, 0, width, height)
        return Pixels(width, height, argb)
    }
}
