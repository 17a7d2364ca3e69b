package ecbsr.demo.engine

import ecbsr.demo.core.Engine
import ecbsr.demo.core.UserFacingException
import java.nio.ByteBuffer
import org.tensorflow.lite.Delegate
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.executionPlanLength

/**
 * A model loaded by `org.tensorflow.lite`. An app needs only this class to run a model.
 *
 * @param model a direct buffer in native order that must stay unchanged while the engine is open.
 * @param delegate is closed with the engine; null for the CPU.
 * @throws UserFacingException when the runtime or the delegate rejects the model.
 */
class LiteEngine(model: ByteBuffer, threads: Int, private val delegate: Delegate? = null) : Engine {
    private var interpreter: Interpreter? = null

    init {
        val options = Interpreter.Options().setNumThreads(threads).setUseXNNPACK(delegate == null)
        delegate?.let { options.addDelegate(it) }
        try {
            translateErrors {
                interpreter = Interpreter(model, options)
                interpreter!!.allocateTensors()
            }
        } catch (error: UserFacingException) {
            close()
            throw error
        }
    }

    override val planLength = executionPlanLength(interpreter!!)

    override fun run(input: ByteBuffer, output: ByteBuffer) = translateErrors { interpreter!!.run(input, output) }

    /** Closes the interpreter first, because it uses the delegate. */
    override fun close() {
        interpreter?.close()
        interpreter = null
        (delegate as? AutoCloseable)?.close()
    }

    private fun translateErrors(call: () -> Unit) = try {
        call()
    } catch (error: LinkageError) {
        // There is no library for this processor, or the phone cannot load it, for example because of 16 KB pages.
        throw UserFacingException("TensorFlow Lite's library does not load on this phone.", error)
    } catch (error: RuntimeException) {
        throw UserFacingException("The runtime rejected the model: ${error.message.orEmpty().trim().lines().first().take(200)}", error)
    }
}
