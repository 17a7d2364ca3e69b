package ecbsr.demo.video

import android.opengl.GLES30
import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException
import ecbsr.demo.core.video.Gl
import java.nio.ByteBuffer

/** The phone's OpenGL ES. */
class AndroidGl : Gl {
    override val maxTextureSide get() = IntArray(1).also { GLES30.glGetIntegerv(GLES30.GL_MAX_TEXTURE_SIZE, it, 0) }.single()

    override fun createProgram(vertex: String, fragment: String): Int {
        val program = GLES30.glCreateProgram()
        for ((type, source) in listOf(GLES30.GL_VERTEX_SHADER to vertex, GLES30.GL_FRAGMENT_SHADER to fragment)) {
            val shader = GLES30.glCreateShader(type)
            GLES30.glShaderSource(shader, source)
            GLES30.glCompileShader(shader)
            if (!isSet { GLES30.glGetShaderiv(shader, GLES30.GL_COMPILE_STATUS, it, 0) }) throw rejected(GLES30.glGetShaderInfoLog(shader))
            GLES30.glAttachShader(program, shader)
        }
        GLES30.glLinkProgram(program)
        if (!isSet { GLES30.glGetProgramiv(program, GLES30.GL_LINK_STATUS, it, 0) }) throw rejected(GLES30.glGetProgramInfoLog(program))
        return program
    }

    override fun createTexture(size: Size): Int {
        val texture = IntArray(1).also { GLES30.glGenTextures(1, it, 0) }.single()
        GLES30.glBindTexture(GLES30.GL_TEXTURE_2D, texture)
        GLES30.glTexStorage2D(GLES30.GL_TEXTURE_2D, 1, GLES30.GL_R8, size.width, size.height)
        GLES30.glTexParameteri(GLES30.GL_TEXTURE_2D, GLES30.GL_TEXTURE_WRAP_S, GLES30.GL_CLAMP_TO_EDGE)
        GLES30.glTexParameteri(GLES30.GL_TEXTURE_2D, GLES30.GL_TEXTURE_WRAP_T, GLES30.GL_CLAMP_TO_EDGE)
        return texture
    }

    override fun deleteTexture(texture: Int) = GLES30.glDeleteTextures(1, intArrayOf(texture), 0)

    override fun upload(texture: Int, size: Size, pixels: ByteBuffer) {
        GLES30.glBindTexture(GLES30.GL_TEXTURE_2D, texture)
        GLES30.glPixelStorei(GLES30.GL_UNPACK_ALIGNMENT, 1)
        GLES30.glTexSubImage2D(
            GLES30.GL_TEXTURE_2D, 0, 0, 0, size.width, size.height, GLES30.GL_RED, GLES30.GL_UNSIGNED_BYTE,
            pixels.duplicate().apply { rewind() },
        )
    }

    override fun createFramebuffer(texture: Int): Int {
        val framebuffer = IntArray(1).also { GLES30.glGenFramebuffers(1, it, 0) }.single()
        GLES30.glBindFramebuffer(GLES30.GL_FRAMEBUFFER, framebuffer)
        GLES30.glFramebufferTexture2D(GLES30.GL_FRAMEBUFFER, GLES30.GL_COLOR_ATTACHMENT0, GLES30.GL_TEXTURE_2D, texture, 0)
        return framebuffer
    }

    override fun deleteFramebuffer(framebuffer: Int) = GLES30.glDeleteFramebuffers(1, intArrayOf(framebuffer), 0)

    override fun bindFramebuffer(framebuffer: Int, size: Size) {
        GLES30.glBindFramebuffer(GLES30.GL_FRAMEBUFFER, framebuffer)
        GLES30.glViewport(0, 0, size.width, size.height)
    }

    override fun useProgram(program: Int) = GLES30.glUseProgram(program)

    override fun setSampler(program: Int, name: String, unit: Int, texture: Int, isLinear: Boolean) {
        GLES30.glActiveTexture(GLES30.GL_TEXTURE0 + unit)
        GLES30.glBindTexture(GLES30.GL_TEXTURE_2D, texture)
        val filter = if (isLinear) GLES30.GL_LINEAR else GLES30.GL_NEAREST
        GLES30.glTexParameteri(GLES30.GL_TEXTURE_2D, GLES30.GL_TEXTURE_MIN_FILTER, filter)
        GLES30.glTexParameteri(GLES30.GL_TEXTURE_2D, GLES30.GL_TEXTURE_MAG_FILTER, filter)
        GLES30.glUniform1i(GLES30.glGetUniformLocation(program, name), unit)
    }

    override fun setFloats(program: Int, name: String, vararg values: Float) {
        val location = GLES30.glGetUniformLocation(program, name)
        when (values.size) {
            1 -> GLES30.glUniform1fv(location, 1, values, 0)
            2 -> GLES30.glUniform2fv(location, 1, values, 0)
            else -> GLES30.glUniform3fv(location, 1, values, 0)
        }
    }

    override fun setMatrix(program: Int, name: String, rows: FloatArray) =
        GLES30.glUniformMatrix3fv(GLES30.glGetUniformLocation(program, name), 1, true, rows, 0)

    override fun drawTriangle() = GLES30.glDrawArrays(GLES30.GL_TRIANGLES, 0, 3)

    private fun isSet(get: (IntArray) -> Unit) = IntArray(1).also(get).single() != 0

    private fun rejected(log: String?) = UserFacingException("The phone's GPU driver rejected the shader: ${log.orEmpty().lines().first().take(200)}")
}
