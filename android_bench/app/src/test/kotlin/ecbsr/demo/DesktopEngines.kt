package ecbsr.demo

import ecbsr.demo.core.Backend
import ecbsr.demo.core.Engine
import ecbsr.demo.core.Engines
import ecbsr.demo.core.Refused
import java.nio.ByteBuffer
import org.bytedeco.javacpp.Pointer
import org.bytedeco.tensorflowlite.TfLiteInterpreter
import org.bytedeco.tensorflowlite.TfLiteModel
import org.bytedeco.tensorflowlite.global.tensorflowlite.*

/** The TensorFlow Lite C library on this machine: the app's seam, with the real runtime behind it. */
object DesktopEngines : Engines {
    override fun open(model: ByteBuffer, backend: Backend): Engine = when (backend) {
        is Backend.Cpu -> DesktopEngine(model, backend.threads)
        else -> throw Refused("There is no ${backend.delegate} on this machine.")
    }
}

private class DesktopEngine(private val bytes: ByteBuffer, threads: Int) : Engine {
    private val model: TfLiteModel = TfLiteModelCreate(Pointer(bytes), bytes.limit().toLong())
        ?: throw Refused("The runtime refused the model.")
    private val interpreter: TfLiteInterpreter

    init {
        val options = TfLiteInterpreterOptionsCreate()
        TfLiteInterpreterOptionsSetNumThreads(options, threads)
        interpreter = TfLiteInterpreterCreate(model, options) ?: throw Refused("The runtime refused the model.")
        TfLiteInterpreterOptionsDelete(options)
        if (TfLiteInterpreterAllocateTensors(interpreter) != kTfLiteOk) throw Refused("The runtime refused the model's sizes.")
    }

    override val steps: Int? = null

    override fun run(input: ByteBuffer, output: ByteBuffer) {
        val (from, to) = TfLiteInterpreterGetInputTensor(interpreter, 0) to TfLiteInterpreterGetOutputTensor(interpreter, 0)
        check(TfLiteTensorCopyFromBuffer(from, Pointer(input), input.limit().toLong()) == kTfLiteOk) { "input size" }
        if (TfLiteInterpreterInvoke(interpreter) != kTfLiteOk) throw Refused("The run failed.")
        check(TfLiteTensorCopyToBuffer(to, Pointer(output), output.limit().toLong()) == kTfLiteOk) { "output size" }
    }

    override fun close() {
        TfLiteInterpreterDelete(interpreter)
        TfLiteModelDelete(model)
    }
}
