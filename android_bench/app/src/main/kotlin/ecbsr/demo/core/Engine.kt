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
