package ecbsr.demo.core

import ecbsr.demo.Fixtures
import java.util.Random
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** Reads files that are damaged or no `.tflite`. */
class TfliteFileTest {
    @Test
    fun rejectsOtherFiles() {
        assertEquals("The file is empty.", rejection(ByteArray(0)))
        assertTrue("not a .tflite" in rejection(Fixtures.pictures[0].readBytes()))
        assertTrue("not a .tflite" in rejection(ByteArray(1000)))
    }

    @Test
    fun truncatedFilesNeverCrash() {
        for (name in listOf("ecbsr-m4c16-x2-int8", "made-rgb-x3-float")) {
            val whole = Fixtures.model(name)
            var rejected = 0
            for (length in whole.indices step 7) try {
                read(whole.copyOf(length))
            } catch (_: UserFacingException) {
                rejected++
            }
            assertTrue("$rejected", rejected > whole.size / 7 / 2)
        }
    }

    @Test
    fun damagedBytesNeverCrash() {
        val random = Random(2)
        val whole = Fixtures.model("ecbsr-m4c16-x2-int8")
        repeat(3000) {
            val bytes = whole.clone()
            repeat(1 + random.nextInt(4)) { bytes[8 + random.nextInt(bytes.size - 8)] = random.nextInt().toByte() }
            try {
                read(bytes)
            } catch (_: UserFacingException) {
                // A rejection is correct.
            }
        }
    }

    private fun read(bytes: ByteArray) = SrModel.read("m", bytes)

    private fun rejection(bytes: ByteArray) = assertThrows(UserFacingException::class.java) { read(bytes) }.message
}
