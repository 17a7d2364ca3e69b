package ecbsr.demo.core.video

import ecbsr.demo.core.Size
import ecbsr.demo.core.UserFacingException
import ecbsr.demo.core.Viewport

/**
 * Draws a picture of a video: bicubic upscaling left of a divider, super-resolution right of it. Luma comes from the
 * model; both sides share the chroma, interpolated bilinearly. Bicubic is computed at the model's output size first,
 * so that both sides are scaled to the screen in the same way.
 *
 * An instance belongs to one OpenGL context and its thread.
 */
class VideoRenderer(private val gl: Gl) {
    private val bicubic = gl.createProgram(VERTEX, BICUBIC)
    private val composite = gl.createProgram(VERTEX, COMPOSITE)
    private var textures: Textures? = null
    private var uploaded = 0L
    private var uploadedFrame: YuvFrame? = null

    /**
     * Draws [shown] into the current framebuffer of [window].
     *
     * @param divider the column of the divider, in pixels of the screen.
     * @param nearestFrom the size of a pixel of the result on the screen from which pixels are drawn as squares.
     * @throws UserFacingException when the result is larger than the GPU's textures.
     */
    fun draw(shown: ShownFrame, viewport: Viewport, window: Size, divider: Float, nearestFrom: Float, background: FloatArray) {
        val frame = shown.frame ?: return
        val textures = texturesFor(frame.size, shown.scale)
        if (uploaded != shown.number || uploadedFrame !== frame) { // numbers begin anew with each session
            upload(textures, shown, frame)
            drawBicubic(textures)
            uploaded = shown.number
            uploadedFrame = frame
        }
        gl.bindFramebuffer(0, window)
        gl.useProgram(composite)
        val isSmooth = viewport.zoom / shown.scale < nearestFrom
        val hasResult = shown.upscaled != null
        gl.setSampler(composite, "left_luma", 0, textures.bicubic, isSmooth)
        gl.setSampler(composite, "right_luma", 1, if (hasResult) textures.upscaled else textures.luma, isSmooth || !hasResult)
        gl.setSampler(composite, "cb", 2, textures.cb, true)
        gl.setSampler(composite, "cr", 3, textures.cr, true)
        gl.setMatrix(composite, "to_picture", toPicture(viewport, window, frame))
        gl.setFloats(composite, "size", frame.size.width.toFloat(), frame.size.height.toFloat())
        gl.setFloats(composite, "chroma_size", frame.chromaSize.width.toFloat(), frame.chromaSize.height.toFloat())
        gl.setFloats(composite, "chroma_shift", if (frame.color.chromaIsLeft) 0.25f else 0f)
        gl.setFloats(composite, "divider", divider)
        gl.setMatrix(composite, "to_rgb", frame.color.toRgb)
        gl.setFloats(composite, "offsets", frame.color.lumaOffset, VideoColor.CHROMA_OFFSET, VideoColor.CHROMA_OFFSET)
        gl.setFloats(composite, "background", background[0], background[1], background[2])
        gl.drawTriangle()
    }

    private fun upload(textures: Textures, shown: ShownFrame, frame: YuvFrame) {
        gl.upload(textures.luma, frame.size, frame.y)
        gl.upload(textures.cb, frame.chromaSize, frame.u)
        gl.upload(textures.cr, frame.chromaSize, frame.v)
        shown.upscaled?.let { gl.upload(textures.upscaled, textures.large, it) }
    }

    private fun drawBicubic(textures: Textures) {
        gl.bindFramebuffer(textures.framebuffer, textures.large)
        gl.useProgram(bicubic)
        gl.setSampler(bicubic, "luma", 0, textures.luma, false)
        gl.setFloats(bicubic, "scale", textures.scale.toFloat())
        gl.drawTriangle()
    }

    private fun texturesFor(size: Size, scale: Int): Textures {
        textures?.takeIf { it.size == size && it.scale == scale }?.let { return it }
        textures?.delete()
        textures = null
        uploaded = 0
        return Textures(size, scale).also { textures = it }
    }

    private inner class Textures(val size: Size, val scale: Int) {
        val large = (size * scale).also {
            if (maxOf(it.width, it.height) > gl.maxTextureSide) {
                throw UserFacingException("The result has $it pixels, and this phone's GPU draws up to ${gl.maxTextureSide} on a side: choose a smaller video.")
            }
        }
        private val chroma = Size((size.width + 1) / 2, (size.height + 1) / 2)
        val luma = gl.createTexture(size)
        val cb = gl.createTexture(chroma)
        val cr = gl.createTexture(chroma)
        val upscaled = gl.createTexture(large)
        val bicubic = gl.createTexture(large)
        val framebuffer = gl.createFramebuffer(bicubic)

        fun delete() {
            gl.deleteFramebuffer(framebuffer)
            for (texture in listOf(luma, cb, cr, upscaled, bicubic)) gl.deleteTexture(texture)
        }
    }

    companion object {
        /**
         * The affine map from a pixel of the window, whose first row is the lowest one in OpenGL, to the stored picture,
         * in its pixels: to the upright picture first, then against its rotation.
         */
        internal fun toPicture(viewport: Viewport, window: Size, frame: YuvFrame): FloatArray {
            val (width, height) = frame.size
            val step = 1 / viewport.zoom
            // x = step * column + left, y = -step * row + top
            val left = viewport.centerX - window.width / 2f * step
            val top = viewport.centerY + window.height / 2f * step
            return when (frame.rotation) {
                90 -> floatArrayOf(0f, -step, top, -step, 0f, height - left, 0f, 0f, 1f)
                180 -> floatArrayOf(-step, 0f, width - left, 0f, step, height - top, 0f, 0f, 1f)
                270 -> floatArrayOf(0f, step, width - top, step, 0f, left, 0f, 0f, 1f)
                else -> floatArrayOf(step, 0f, left, 0f, -step, top, 0f, 0f, 1f)
            }
        }

        private const val VERTEX = """#version 300 es
            void main() {
                vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0;
                gl_Position = vec4(corner, 0.0, 1.0);
            }"""

        /** Cubic convolution (R. Keys, 1981; a = -0.5) with replicated borders, as in `Bicubic`. */
        private const val BICUBIC = """#version 300 es
            precision highp float;
            uniform highp sampler2D luma;
            uniform float scale;
            out vec4 color;

            vec4 weights(float t) { // of the pixels at -1, 0, 1 and 2, for the position t in 0..1
                vec4 d = vec4(1.0 + t, t, 1.0 - t, 2.0 - t);
                vec4 near = (1.5 * d - 2.5) * d * d + 1.0;
                vec4 far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0;
                return vec4(far.x, near.y, near.z, far.w);
            }

            void main() {
                vec2 position = gl_FragCoord.xy / scale - 0.5;
                ivec2 first = ivec2(floor(position)) - 1;
                vec2 t = position - floor(position);
                vec4 across = weights(t.x);
                vec4 down = weights(t.y);
                ivec2 last = textureSize(luma, 0) - 1;
                float sum = 0.0;
                for (int y = 0; y < 4; y++) {
                    for (int x = 0; x < 4; x++) {
                        ivec2 pixel = clamp(first + ivec2(x, y), ivec2(0), last);
                        sum += across[x] * down[y] * texelFetch(luma, pixel, 0).r;
                    }
                }
                color = vec4(sum, 0.0, 0.0, 1.0);
            }"""

        private const val COMPOSITE = """#version 300 es
            precision highp float;
            uniform highp sampler2D left_luma, right_luma, cb, cr;
            uniform mat3 to_picture, to_rgb;
            uniform vec3 offsets, background;
            uniform vec2 size, chroma_size;
            uniform float divider, chroma_shift;
            out vec4 color;

            void main() {
                vec2 position = (to_picture * vec3(gl_FragCoord.xy, 1.0)).xy;
                if (any(lessThan(position, vec2(0.0))) || any(greaterThanEqual(position, size))) {
                    color = vec4(background, 1.0);
                    return;
                }
                vec2 place = position / size;
                float left = textureLod(left_luma, place, 0.0).r;
                float right = textureLod(right_luma, place, 0.0).r;
                vec2 chroma = (position * 0.5 + vec2(chroma_shift, 0.0)) / chroma_size;
                vec3 value = vec3(
                    gl_FragCoord.x < divider ? left : right, textureLod(cb, chroma, 0.0).r, textureLod(cr, chroma, 0.0).r);
                color = vec4(clamp(to_rgb * (value - offsets), 0.0, 1.0), 1.0);
            }"""
    }
}
