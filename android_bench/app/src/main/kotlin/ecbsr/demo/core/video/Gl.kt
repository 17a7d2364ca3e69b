package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import java.nio.ByteBuffer

/** The functions of OpenGL ES 3.0 that the renderer needs. All calls happen on the thread of its context. */
interface Gl {
    /** The largest width and height of a texture. */
    val maxTextureSide: Int

    /** Compiles and links a program. @throws ecbsr.demo.core.UserFacingException with the compiler's message. */
    fun createProgram(vertex: String, fragment: String): Int

    /** A texture with one channel of 8 bits. */
    fun createTexture(size: Size): Int

    fun deleteTexture(texture: Int)

    /** Replaces the content of a texture by rows without padding. */
    fun upload(texture: Int, size: Size, pixels: ByteBuffer)

    fun createFramebuffer(texture: Int): Int

    fun deleteFramebuffer(framebuffer: Int)

    /** Draws into a framebuffer; 0 is the screen. */
    fun bindFramebuffer(framebuffer: Int, size: Size)

    fun useProgram(program: Int)

    /** Binds a texture to a sampler of the current program. */
    fun setSampler(program: Int, name: String, unit: Int, texture: Int, isLinear: Boolean)

    fun setFloats(program: Int, name: String, vararg values: Float)

    /** A 3x3 matrix, row by row. */
    fun setMatrix(program: Int, name: String, rows: FloatArray)

    /** Draws one triangle that covers the framebuffer. */
    fun drawTriangle()
}
