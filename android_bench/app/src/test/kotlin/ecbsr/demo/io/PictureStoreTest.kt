package ecbsr.demo.io

import ecbsr.demo.Fixtures
import ecbsr.demo.Screen
import ecbsr.demo.core.Job
import ecbsr.demo.core.UserFacingException
import ecbsr.demo.core.difference
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Test

class PictureStoreTest : Screen() {
    @Test
    fun reopensTheLastPicture() {
        PictureStore(app).open(document(Fixtures.file("pictures/text.png").readBytes(), "text.png"), Job()).close()
        val picture = PictureStore(app).reopen("name")
        assertEquals("name 444", "${picture.name} ${picture.width}")
    }

    @Test
    fun anUnreadablePictureDoesNotReplaceTheStoredOne() {
        val store = PictureStore(app)
        store.openSample().close()
        assertThrows(UserFacingException::class.java) { store.open(document(ByteArray(100), "bad.png"), Job()) }
        assertEquals(384, store.reopen("chelsea.png").width)
    }

    @Test
    fun thereIsNothingToReopenAtFirst() {
        assertThrows(UserFacingException::class.java) { PictureStore(app).reopen("name") }
    }

    @Test
    fun theSampleHasItsPixels() {
        assertEquals(0, difference(Fixtures.picture("chelsea"), PictureStore(app).samplePixels()))
    }
}
