package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.junit.AssumptionViolatedException
import org.lwjgl.BufferUtils
import org.lwjgl.egl.EGL
import org.lwjgl.egl.EGL10.EGL_BLUE_SIZE
import org.lwjgl.egl.EGL10.EGL_GREEN_SIZE
import org.lwjgl.egl.EGL10.EGL_HEIGHT
import org.lwjgl.egl.EGL10.EGL_NONE
import org.lwjgl.egl.EGL10.EGL_PBUFFER_BIT
import org.lwjgl.egl.EGL10.EGL_RED_SIZE
import org.lwjgl.egl.EGL10.EGL_SURFACE_TYPE
import org.lwjgl.egl.EGL10.EGL_WIDTH
import org.lwjgl.egl.EGL10.eglChooseConfig
import org.lwjgl.egl.EGL10.eglCreateContext
import org.lwjgl.egl.EGL10.eglCreatePbufferSurface
import org.lwjgl.egl.EGL10.eglDestroyContext
import org.lwjgl.egl.EGL10.eglDestroySurface
import org.lwjgl.egl.EGL10.eglGetDisplay
import org.lwjgl.egl.EGL10.eglInitialize
import org.lwjgl.egl.EGL10.eglMakeCurrent
import org.lwjgl.egl.EGL12.EGL_OPENGL_ES_API
import org.lwjgl.egl.EGL12.EGL_RENDERABLE_TYPE
import org.lwjgl.egl.EGL12.eglBindAPI
import org.lwjgl.egl.EGL13.EGL_CONTEXT_CLIENT_VERSION
import org.lwjgl.egl.EGL15.EGL_OPENGL_ES3_BIT
import org.lwjgl.opengles.GLES
import org.lwjgl.opengles.GLES30.*
import org.lwjgl.system.MemoryUtil.NULL

/** OpenGL ES on the processor: Mesa's llvmpipe without a window. Tests are skipped on a machine without it. */
class SoftwareGl private constructor(private val display: Long, private val context: Long, private val surface: Long, private val size: Size) :
    Gl, AutoCloseable {
    val renderer: String = glGetString(GL_RENDERER).orEmpty()

    override val maxTextureSide get() = glGetInteger(GL_MAX_TEXTURE_SIZE)

    override fun createProgram(vertex: String, fragment: String): Int {
        val program = glCreateProgram()
        for ((type, source) in listOf(GL_VERTEX_SHADER to vertex, GL_FRAGMENT_SHADER to fragment)) {
            val shader = glCreateShader(type)
            glShaderSource(shader, source)
            glCompileShader(shader)
            if (glGetShaderi(shader, GL_COMPILE_STATUS) == 0) throw UserFacingException(glGetShaderInfoLog(shader))
            glAttachShader(program, shader)
        }
        glLinkProgram(program)
        if (glGetProgrami(program, GL_LINK_STATUS) == 0) throw UserFacingException(glGetProgramInfoLog(program))
        return program
    }

    override fun createTexture(size: Size): Int {
        val texture = glGenTextures()
        glBindTexture(GL_TEXTURE_2D, texture)
        glTexStorage2D(GL_TEXTURE_2D, 1, GL_R8, size.width, size.height)
        glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE)
        glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE)
        return texture
    }

    override fun deleteTexture(texture: Int) = glDeleteTextures(texture)

    override fun upload(texture: Int, size: Size, pixels: ByteBuffer) {
        glBindTexture(GL_TEXTURE_2D, texture)
        glPixelStorei(GL_UNPACK_ALIGNMENT, 1)
        glTexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, size.width, size.height, GL_RED, GL_UNSIGNED_BYTE, pixels.duplicate().apply { rewind() })
    }

    override fun createFramebuffer(texture: Int): Int {
        val framebuffer = glGenFramebuffers()
        glBindFramebuffer(GL_FRAMEBUFFER, framebuffer)
        glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0)
        check(glCheckFramebufferStatus(GL_FRAMEBUFFER) == GL_FRAMEBUFFER_COMPLETE)
        return framebuffer
    }

    override fun deleteFramebuffer(framebuffer: Int) = glDeleteFramebuffers(framebuffer)

    override fun bindFramebuffer(framebuffer: Int, size: Size) {
        glBindFramebuffer(GL_FRAMEBUFFER, framebuffer)
        glViewport(0, 0, size.width, size.height)
    }

    override fun useProgram(program: Int) = glUseProgram(program)

    override fun setSampler(program: Int, name: String, unit: Int, texture: Int, isLinear: Boolean) {
        glActiveTexture(GL_TEXTURE0 + unit)
        glBindTexture(GL_TEXTURE_2D, texture)
        val filter = if (isLinear) GL_LINEAR else GL_NEAREST
        glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, filter)
        glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, filter)
        glUniform1i(location(program, name), unit)
    }

    override fun setFloats(program: Int, name: String, vararg values: Float) {
        val location = location(program, name)
        when (values.size) {
            1 -> glUniform1fv(location, values)
            2 -> glUniform2fv(location, values)
            else -> glUniform3fv(location, values)
        }
    }

    override fun setMatrix(program: Int, name: String, rows: FloatArray) = glUniformMatrix3fv(location(program, name), true, rows)

    override fun drawTriangle() {
        glDrawArrays(GL_TRIANGLES, 0, 3)
        check(glGetError() == GL_NO_ERROR) { "OpenGL reports an error" }
    }

    /** The pixels of the screen as 0xRRGGBB, from the top row on. */
    fun pixels(): IntArray {
        glBindFramebuffer(GL_FRAMEBUFFER, 0)
        val bytes = ByteBuffer.allocateDirect(size.pixels * 4).order(ByteOrder.LITTLE_ENDIAN)
        glReadPixels(0, 0, size.width, size.height, GL_RGBA, GL_UNSIGNED_BYTE, bytes)
        return IntArray(size.pixels) {
            val rgba = bytes.getInt(((size.height - 1 - it / size.width) * size.width + it % size.width) * 4)
            (rgba and 0xff shl 16) or (rgba and 0xff00) or (rgba ushr 16 and 0xff)
        }
    }

    override fun close() {
        GLES.setCapabilities(null)
        eglMakeCurrent(display, NULL, NULL, NULL)
        eglDestroySurface(display, surface)
        eglDestroyContext(display, context)
    }

    private fun location(program: Int, name: String) =
        glGetUniformLocation(program, name).also { check(it >= 0) { "the program has no uniform $name" } }

    companion object {
        /** A context with a screen of [size], current on this thread. */
        fun open(size: Size): SoftwareGl {
            try {
                val display = eglGetDisplay(0L)
                if (display == NULL || !eglInitialize(display, IntArray(1), IntArray(1))) throw missing("EGL does not start")
                EGL.createDisplayCapabilities(display)
                eglBindAPI(EGL_OPENGL_ES_API)
                val attributes = intArrayOf(
                    EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_ES3_BIT,
                    EGL_RED_SIZE, 8, EGL_GREEN_SIZE, 8, EGL_BLUE_SIZE, 8, EGL_NONE,
                )
                val configs = BufferUtils.createPointerBuffer(1)
                val count = IntArray(1)
                eglChooseConfig(display, attributes, configs, count)
                if (count[0] == 0) throw missing("EGL has no configuration for OpenGL ES 3")
                val context = eglCreateContext(display, configs[0], NULL, intArrayOf(EGL_CONTEXT_CLIENT_VERSION, 3, EGL_NONE))
                val surface = eglCreatePbufferSurface(display, configs[0], intArrayOf(EGL_WIDTH, size.width, EGL_HEIGHT, size.height, EGL_NONE))
                if (context == NULL || !eglMakeCurrent(display, surface, surface, context)) throw missing("there is no OpenGL ES 3")
                GLES.createCapabilities()
                return SoftwareGl(display, context, surface, size)
            } catch (error: LinkageError) {
                throw missing(error.message.orEmpty())
            } catch (error: IllegalStateException) {
                throw missing(error.message.orEmpty())
            }
        }

        private fun missing(reason: String) =
            AssumptionViolatedException("no software OpenGL ES 3 on this machine ($reason): install libegl1, libgles2 and libgl1-mesa-dri")
    }
}
