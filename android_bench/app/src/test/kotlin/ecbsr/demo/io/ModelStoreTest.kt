package ecbsr.demo.io

import ecbsr.demo.Fixtures
import ecbsr.demo.Screen
import org.junit.Assert.assertEquals
import org.junit.Test

class ModelStoreTest : Screen() {
    @Test
    fun importedModelsGetAnUnusedNameWithoutAFolder() {
        viewModel.importModel(document(Fixtures.model("made-y-x4-int8"), "ecbsr-m4c16-x2-int8.tflite"))
        settle()
        assertEquals("ecbsr-m4c16-x2-int8 (2)", viewModel.model!!.name)
        assertEquals(4, viewModel.model!!.scale)
        viewModel.importModel(document(Fixtures.model("made-y-x4-int8"), "..%2F..%2Fetc%2Fx.tflite"))
        settle()
        assertEquals("the name has no folder", "etcx", viewModel.model!!.name)
    }
}
