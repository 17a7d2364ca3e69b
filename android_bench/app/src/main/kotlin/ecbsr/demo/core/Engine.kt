package ecbsr.demo.core

import java.io.Closeable
import java.io.Serializable
import java.nio.ByteBuffer

/** One model at one size, loaded and ready. Used by one thread at a time. */
interface Engine : Closeable {
    /** Steps that are left to run after a delegate joined the nodes that it took, or null where unknown. */
    val steps: Int?

    /** Runs once. Both buffers are direct, from [Values.buffer], and hold NHWC values. @throws Refused when it fails. */
    fun run(input: ByteBuffer, output: ByteBuffer)
}

/** What is asked to run a model. */
sealed interface Backend : Serializable {
    val delegate: String
    val threads: Int

    /** XNNPACK, TensorFlow Lite's own CPU delegate. */
    data class Cpu(override val threads: Int) : Backend {
        override val delegate get() = "cpu"
    }

    data object Gpu : Backend {
        override val delegate get() = "gpu"
        override val threads get() = 1
    }

    /** Android's own neural network interface, deprecated since Android 15. */
    data object Nnapi : Backend {
        override val delegate get() = "nnapi"
        override val threads get() = 1
    }
}

/** The seam to the interpreter: everything in front of it is plain Kotlin. */
fun interface Engines {
    /**
     * Loads a model whose input has the size that is to run.
     *
     * @param model a direct buffer that must stay unchanged while the engine is open.
     * @throws Refused when the backend does not exist here, or does not take the model.
     */
    fun open(model: ByteBuffer, backend: Backend): Engine
}
