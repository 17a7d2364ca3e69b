package ecbsr.demo.engine

import ecbsr.demo.core.Engine
import ecbsr.demo.core.Refused
import java.nio.ByteBuffer
import org.tensorflow.lite.Delegate
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.steps

/**
 * A model loaded by `org.tensorflow.lite`. All that an app needs to run one is in this class.
 *
 * @param model direct, in native order; must not change while the engine is open.
 * @param delegate closed with the engine; null for the CPU.
 * @throws Refused when the runtime does not load the model or the delegate does not take it.
 */
class LiteEngine(model: ByteBuffer, threads: Int, private val delegate: Delegate? = null) : Engine {
    private var interpreter: Interpreter? = null

    init {
        val options = Interpreter.Options().setNumThreads(threads).setUseXNNPACK(delegate == null)
        delegate?.let { options.addDelegate(it) }
        try {
            orRefuse {
                interpreter = Interpreter(model, options)
                interpreter!!.allocateTensors()
            }
        } catch (refused: Refused) {
            close()
            throw refused
        }
    }

    override val steps = steps(interpreter!!)

    override fun run(input: ByteBuffer, output: ByteBuffer) = orRefuse { interpreter!!.run(input, output) }

    /** The interpreter first: it still uses the delegate. */
    override fun close() {
        interpreter?.close()
        interpreter = null
        (delegate as? AutoCloseable)?.close()
    }

    private fun orRefuse(work: () -> Unit) = try {
        work()
    } catch (error: LinkageError) {
        // No library for this processor, or one that this phone does not load, such as one with 16 KB pages.
        throw Refused("TensorFlow Lite's library does not load on this phone.", error)
    } catch (error: RuntimeException) {
        throw Refused("The runtime refused the model: ${error.message.orEmpty().trim().lines().first().take(200)}", error)
    }
}
