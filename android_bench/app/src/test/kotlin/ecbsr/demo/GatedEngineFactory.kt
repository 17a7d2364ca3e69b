package ecbsr.demo

import ecbsr.demo.core.Backend
import ecbsr.demo.core.Engine
import ecbsr.demo.core.EngineFactory
import java.nio.ByteBuffer
import java.util.concurrent.Semaphore

/** The desktop runtime, where each run waits for a permit of [gate], so that a test can act during a task. */
class GatedEngineFactory(@Volatile var gate: Semaphore? = null) : EngineFactory {
    override fun open(model: ByteBuffer, backend: Backend): Engine {
        val engine = DesktopEngineFactory.open(model, backend)
        return object : Engine by engine {
            override fun run(input: ByteBuffer, output: ByteBuffer) {
                gate?.acquire()
                engine.run(input, output)
            }
        }
    }

    fun open() {
        gate?.release(Int.MAX_VALUE / 2)
    }
}
