package ecbsr.demo.engine

import ecbsr.demo.core.Engine
import ecbsr.demo.core.UserFacingException
import java.nio.ByteBuffer
import org.bytedeco.javacpp.BytePointer
import org.bytedeco.javacpp.Pointer
import org.bytedeco.tensorflowlite.BuiltinOpResolverWithXNNPACK
import org.bytedeco.tensorflowlite.FlatBufferModel
import org.bytedeco.tensorflowlite.Interpreter
import org.bytedeco.tensorflowlite.InterpreterBuilder
import org.bytedeco.tensorflowlite.TfLiteTensor
import org.bytedeco.tensorflowlite.global.tensorflowlite
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorCopyFromBuffer
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorCopyToBuffer
import org.bytedeco.tensorflowlite.global.tensorflowlite.kTfLiteOk

/**
 * A model loaded by bytedeco's build of TensorFlow Lite, with XNNPACK. Its library supports memory pages of 16 KB. The
 * same classes run on phones and on desktops.
 *
 * @param bytes a direct buffer in native order that must stay unchanged while the engine is open.
 * @throws UserFacingException when the runtime rejects the model.
 */
class BytedecoEngine(bytes: ByteBuffer, threads: Int) : Engine {
    /** Keeps the buffer while the model refers to its memory. */
    private val memory: BytePointer
    private val model: FlatBufferModel
    private val interpreter: Interpreter

    init {
        if (!isAvailable) throw UserFacingException("TensorFlow Lite's library does not load on this phone.")
        memory = BytePointer(bytes)
        model = FlatBufferModel.BuildFromBuffer(memory, bytes.limit().toLong()) ?: throw rejected()
        interpreter = Interpreter(null as Pointer?)
        if (!build(threads)) {
            close()
            throw rejected()
        }
    }

    private val input = interpreter.input_tensor(0)
    private val output = interpreter.output_tensor(0)
    override val planLength = interpreter.execution_plan().limit().toInt()

    override fun run(input: ByteBuffer, output: ByteBuffer) {
        checkSize(this.input, input)
        checkSize(this.output, output)
        TfLiteTensorCopyFromBuffer(this.input, Pointer(input), input.limit().toLong())
        if (interpreter.Invoke() != kTfLiteOk) throw UserFacingException("The runtime failed to run the model.")
        TfLiteTensorCopyToBuffer(this.output, Pointer(output), output.limit().toLong())
    }

    override fun close() {
        interpreter.close()
        model.close()
        memory.close()
    }

    private fun build(threads: Int): Boolean {
        val built = BuiltinOpResolverWithXNNPACK(true).use { resolver ->
            InterpreterBuilder(model, resolver).use { it.SetNumThreads(threads) == kTfLiteOk && it.apply(interpreter) == kTfLiteOk }
        }
        return built && !interpreter.isNull && interpreter.AllocateTensors() == kTfLiteOk
    }

    private fun checkSize(tensor: TfLiteTensor, buffer: ByteBuffer) =
        check(tensor.bytes() == buffer.limit().toLong()) { "the tensor has ${tensor.bytes()} bytes, the buffer ${buffer.limit()}" }

    private fun rejected() = UserFacingException("The runtime rejected the model.")

    companion object {
        /** The version of the runtime, or null where there is no library for this processor. */
        val version: String? by lazy {
            try {
                tensorflowlite.TfLiteVersion().string
            } catch (_: LinkageError) {
                null
            }
        }

        /** Whether the library is present for this processor and loads. */
        val isAvailable get() = version != null
    }
}
