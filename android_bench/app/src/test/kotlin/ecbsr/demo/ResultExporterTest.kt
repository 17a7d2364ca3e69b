package ecbsr.demo

import android.content.Intent
import android.net.Uri
import ecbsr.demo.core.difference
import ecbsr.demo.io.SharedFiles
import java.io.FileInputStream
import java.io.FileNotFoundException
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf

class ResultExporterTest : PictureScreen() {
    @Test
    fun savesWhatEcbsrUpscaleWrites() {
        val activity = start()
        shadowOf(activity).clickMenuItem(R.id.save)
        val (uri, output) = writableDocument("chelsea-x2.png")
        val request = shadowOf(activity).peekNextStartedActivityForResult().intent
        assertEquals(Intent.ACTION_CREATE_DOCUMENT, request.action)
        assertEquals("chelsea-x2.png", request.getStringExtra(Intent.EXTRA_TITLE))
        activity.pick(uri)
        settle()
        assertEquals(0, difference(Fixtures.read(Fixtures.file("upscaled/ecbsr-m4c16-x2-int8--chelsea.png")), png(output.toByteArray())))
    }

    @Test
    fun savesTransparency() {
        start()
        viewModel.openPicture(document(Fixtures.file("pictures/transparent.png").readBytes(), "transparent.png"))
        settle()
        val (uri, output) = writableDocument("out.png")
        viewModel.savePicture(uri) {}
        settle()
        val expected = Fixtures.read(Fixtures.file("upscaled/ecbsr-m4c16-x2-int8--transparent.png"))
        assertEquals(0, difference(expected, png(output.toByteArray())))
    }

    @Test
    fun sharesTheResultWithReadAccessToItAlone() {
        val activity = start()
        shadowOf(activity).clickMenuItem(R.id.share)
        settle()
        val chooser = shadowOf(activity).nextStartedActivity
        assertEquals(Intent.ACTION_CHOOSER, chooser.action)
        @Suppress("DEPRECATION")
        val send = chooser.getParcelableExtra<Intent>(Intent.EXTRA_INTENT)!!
        assertEquals("image/png", send.type)
        assertTrue(send.flags and Intent.FLAG_GRANT_READ_URI_PERMISSION != 0)
        val uri = send.clipData!!.getItemAt(0).uri
        val provider = Robolectric.buildContentProvider(SharedFiles::class.java).create("ecbsr.demo.files").get()
        assertEquals("image/png", provider.getType(uri))
        val bytes = FileInputStream(provider.openFile(uri, "r")!!.fileDescriptor).use { it.readBytes() }
        assertEquals(0, difference(Fixtures.read(Fixtures.file("upscaled/ecbsr-m4c16-x2-int8--chelsea.png")), png(bytes)))
        for (path in listOf("..%2Fpicture", "nothing.png", "")) {
            val otherUri = Uri.parse("content://ecbsr.demo.files/$path")
            assertThrows(path, FileNotFoundException::class.java) { provider.openFile(otherUri, "r") }
        }
        assertThrows(FileNotFoundException::class.java) { provider.openFile(uri, "w") }
    }

    @Test
    fun theFileNameHasTheScaleAndNoFolder() {
        start()
        viewModel.openPicture(document(Fixtures.file("pictures/text.png").readBytes(), "a%2Fb.c.png"))
        settle()
        assertEquals("a_b.c-x2.png", viewModel.resultName)
    }

    @Test
    fun aLongNameIsCut() {
        start()
        viewModel.openPicture(document(Fixtures.file("pictures/tiny.png").readBytes(), "猫".repeat(100) + ".png"))
        settle()
        var shared: Uri? = null
        viewModel.sharePicture { shared = it }
        settle()
        assertEquals(null, viewModel.error)
        assertEquals("猫".repeat(80) + "-x2.png", shared?.lastPathSegment)
    }
}
