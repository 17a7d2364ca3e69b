package ecbsr.demo.ui

import android.graphics.Insets
import android.text.Layout
import android.view.View
import android.view.ViewGroup
import android.view.WindowInsets
import android.widget.TextView
import ecbsr.demo.PictureScreen
import ecbsr.demo.R
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment

/** Shows all screens in dark mode, with a large font, right to left, and in landscape. */
class LayoutTest : PictureScreen() {
    @Test
    fun thePictureScreenShowsAllText() = forEachConfiguration { suffix ->
        val controller = launch()
        val activity = controller.get()
        activity.screenshot("picture-$suffix")
        // The arrow needs left-to-right text in every language.
        assertEquals("384 × 264 → 768 × 528", activity.text(R.id.sizes))
        assertEquals(Layout.DIR_LEFT_TO_RIGHT, activity.findViewById<TextView>(R.id.sizes).layout.getParagraphDirection(0))
        for (id in listOf(R.id.name, R.id.sizes, R.id.model)) assertFalse("$suffix $id", activity.findViewById<TextView>(id).isCutOff())
        controller.pause().stop().destroy()
    }

    @Test
    fun theOtherScreensShowAllText() {
        viewModel.selectModel("ecbsr-m4c16-x4-int8")
        settle()
        forEachConfiguration { suffix ->
            for ((name, screen) in screens) {
                val controller = Robolectric.buildActivity(screen).setup()
                controller.get().screenshot("$name-$suffix")
                for (text in texts(controller.get().window.decorView.findViewById(android.R.id.content))) {
                    assertFalse("$name-$suffix: ${text.text}", text.isCutOff())
                }
                controller.pause().stop().destroy()
            }
        }
    }

    private val screens = listOf(
        "models" to ModelsActivity::class.java, "timing" to TimingActivity::class.java, "video" to VideoActivity::class.java,
    )

    /** Since Android 15, the app draws below the system's bars. */
    @Test
    fun noContentIsBelowTheSystemBars() {
        val activity = start()
        val screen = activity.findViewById<View>(R.id.screen)
        val bars = WindowInsets.Builder()
            .setInsets(WindowInsets.Type.statusBars(), Insets.of(0, 40, 0, 0)).setInsets(WindowInsets.Type.navigationBars(), Insets.of(0, 0, 0, 60))
            .setInsets(WindowInsets.Type.displayCutout(), Insets.of(24, 0, 0, 0)).build()
        screen.dispatchApplyWindowInsets(bars)
        assertEquals("24 40 0 60", screen.run { "$paddingLeft $paddingTop $paddingRight $paddingBottom" })
    }

    private fun forEachConfiguration(check: (suffix: String) -> Unit) {
        for ((suffix, qualifiers, fontScale) in listOf(
            Triple("dark", "+night", 1f), Triple("large", "+notnight", 2f), Triple("rtl", "+ar-ldrtl", 1f),
            Triple("landscape", "+en-ldltr-land", 1f),
        )) {
            RuntimeEnvironment.setQualifiers(qualifiers)
            RuntimeEnvironment.setFontScale(fontScale)
            check(suffix)
        }
    }

    private fun texts(view: View): List<TextView> = when {
        view.visibility != View.VISIBLE -> emptyList()
        view is TextView -> listOf(view)
        view is ViewGroup -> (0 until view.childCount).flatMap { texts(view.getChildAt(it)) }
        else -> emptyList()
    }
}
