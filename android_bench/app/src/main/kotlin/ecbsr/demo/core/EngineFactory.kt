package ecbsr.demo.core

import java.nio.ByteBuffer

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
