package ecbsr.demo

import android.content.Intent
import android.view.MotionEvent
import ecbsr.demo.core.Pixels
import ecbsr.demo.ui.ComparisonView
import ecbsr.demo.ui.PictureActivity
import java.awt.image.BufferedImage
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import javax.imageio.ImageIO
import org.robolectric.Robolectric
import org.robolectric.android.controller.ActivityController

/** Starts the picture screen and provides pictures for it. */
abstract class PictureScreen : Screen() {
    protected fun launch(intent: Intent? = null): ActivityController<PictureActivity> =
        Robolectric.buildActivity(PictureActivity::class.java, intent).setup()

    protected fun start(intent: Intent? = null): PictureActivity = launch(intent).get().also { settle() }

    protected fun PictureActivity.view() = findViewById<ComparisonView>(R.id.comparison)

    /** Two fingers move apart around a position, which is relative to the size of the view. */
    protected fun pinch(view: ComparisonView, relativeX: Float = 0.5f, relativeY: Float = 0.3f) {
        val x = view.width * relativeX
        val y = view.height * relativeY
        fun fingers(distance: Float) = arrayOf(x - distance to y, x + distance to y)
        view.touch(MotionEvent.ACTION_DOWN, fingers(135f)[0])
        view.touch(MotionEvent.ACTION_POINTER_DOWN or (1 shl MotionEvent.ACTION_POINTER_INDEX_SHIFT), *fingers(135f))
        for (distance in 135..265 step 10) view.touch(MotionEvent.ACTION_MOVE, *fingers(distance.toFloat()))
        view.touch(MotionEvent.ACTION_POINTER_UP or (1 shl MotionEvent.ACTION_POINTER_INDEX_SHIFT), *fingers(265f))
        view.touch(MotionEvent.ACTION_UP, fingers(265f)[0])
    }

    protected fun png(bytes: ByteArray): Pixels {
        val image = ImageIO.read(ByteArrayInputStream(bytes))
        return Pixels(image.width, image.height, image.getRGB(0, 0, image.width, image.height, null, 0, image.width))
    }

    /** A large photo, made of copies of a small one. */
    protected fun photo(width: Int, height: Int): ByteArray {
        val image = BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR)
        val tile = ImageIO.read(Fixtures.file("pictures/coffee.png"))
        val graphics = image.createGraphics()
        for (y in 0 until height step tile.height) for (x in 0 until width step tile.width) graphics.drawImage(tile, x, y, null)
        graphics.dispose()
        return ByteArrayOutputStream().also { ImageIO.write(image, "jpg", it) }.toByteArray()
    }
}
