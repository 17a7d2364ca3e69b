package ecbsr.demo

import ecbsr.demo.core.Backend
import ecbsr.demo.core.Engine
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.UserFacingException
import java.nio.ByteBuffer
import org.bytedeco.javacpp.BytePointer
import org.bytedeco.javacpp.Pointer
import org.bytedeco.tensorflowlite.BuiltinOpResolverWithXNNPACK
import org.bytedeco.tensorflowlite.FlatBufferModel
import org.bytedeco.tensorflowlite.Interpreter
import org.bytedeco.tensorflowlite.InterpreterBuilder
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorCopyFromBuffer
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorCopyToBuffer
import org.bytedeco.tensorflowlite.global.tensorflowlite.kTfLiteOk

/** TensorFlow Lite with XNNPACK on the desktop. */
object DesktopEngineFactory : EngineFactory {
    override fun open(model: ByteBuffer, backend: Backend): Engine = when (backend) {
        is Backend.Cpu -> DesktopEngine(model, backend.threads)
        else -> throw UserFacingException("There is no ${backend.delegate} on this machine.")
    }
}

private class DesktopEngine(private val bytes: ByteBuffer, threads: Int) : Engine {
    private val model: FlatBufferModel = FlatBufferModel.BuildFromBuffer(BytePointer(bytes), bytes.limit().toLong())
        ?: throw UserFacingException("The runtime rejected the model.")
    private val interpreter = Interpreter(null as Pointer?)

    init {
        val built = BuiltinOpResolverWithXNNPACK(true).use { resolver ->
            InterpreterBuilder(model, resolver).use { it.SetNumThreads(threads) == kTfLiteOk && it.apply(interpreter) == kTfLiteOk }
        }
        if (!built || interpreter.AllocateTensors() != kTfLiteOk) throw UserFacingException("The runtime rejected the model.")
    }

    override val planLength = interpreter.execution_plan().limit().toInt()

    override fun run(input: ByteBuffer, output: ByteBuffer) {
        val inputTensor = interpreter.input_tensor(0)
        val outputTensor = interpreter.output_tensor(0)
        check(TfLiteTensorCopyFromBuffer(inputTensor, Pointer(input), input.limit().toLong()) == kTfLiteOk) { "input size" }
        if (interpreter.Invoke() != kTfLiteOk) throw UserFacingException("The run failed.")
        check(TfLiteTensorCopyToBuffer(outputTensor, Pointer(output), output.limit().toLong()) == kTfLiteOk) { "output size" }
    }

    override fun close() {
        interpreter.close()
        model.close()
    }
}
