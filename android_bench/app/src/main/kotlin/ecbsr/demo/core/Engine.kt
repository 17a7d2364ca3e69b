package ecbsr.demo.core

import java.io.Closeable
import java.nio.ByteBuffer

/** A model that is loaded for one input size. It is used by one thread at a time. */
interface Engine : Closeable {
    /** The number of nodes in the execution plan after delegation, where each delegated partition is one node; null if unknown. */
    val planLength: Int?

    /** Runs inference. Both buffers come from [TensorFormat.buffer]. @throws UserFacingException when inference fails. */
    fun run(input: ByteBuffer, output: ByteBuffer)
}

/** Separates the core, which is plain Kotlin, from the interpreter. */
fun interface EngineFactory {
    /**
     * Loads a model whose input already has the size to run.
     *
     * @param model a direct buffer that must stay unchanged while the engine is open.
     * @throws UserFacingException when the backend is unavailable or rejects the model.
     */
    fun open(model: ByteBuffer, backend: Backend): Engine
}
