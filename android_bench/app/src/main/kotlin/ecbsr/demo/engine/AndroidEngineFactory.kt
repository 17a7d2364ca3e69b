package ecbsr.demo.engine

import android.os.Build
import ecbsr.demo.core.Backend
import ecbsr.demo.core.Engine
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.UserFacingException
import java.nio.ByteBuffer
import org.tensorflow.lite.Delegate
import org.tensorflow.lite.gpu.GpuDelegate
import org.tensorflow.lite.gpu.GpuDelegateFactory
import org.tensorflow.lite.nnapi.NnApiDelegate

/** Opens engines on the phone's CPU, GPU and NNAPI. */
object AndroidEngineFactory : EngineFactory {
    private const val FIRST_NNAPI_LEVEL = 27 // Android 8.1
    private const val LAST_NNAPI_LEVEL = 34 // Android 14; NNAPI is deprecated since Android 15
    private const val SUSTAINED_SPEED = GpuDelegateFactory.Options.INFERENCE_PREFERENCE_SUSTAINED_SPEED

    override fun open(model: ByteBuffer, backend: Backend): Engine = when (backend) {
        is Backend.Cpu -> LiteEngine(model, backend.threads)
        Backend.Gpu -> LiteEngine(model, 1, gpu())
        Backend.Nnapi -> LiteEngine(model, 1, nnapi())
    }

    private fun gpu(): Delegate = delegate("The GPU delegate does not start on this phone") {
        GpuDelegate(GpuDelegateFactory.Options().setQuantizedModelsAllowed(true).setInferencePreference(SUSTAINED_SPEED))
    }

    private fun nnapi(): Delegate {
        if (Build.VERSION.SDK_INT < FIRST_NNAPI_LEVEL) throw UserFacingException("NNAPI needs Android 8.1; this phone has an older version.")
        if (Build.VERSION.SDK_INT > LAST_NNAPI_LEVEL) {
            throw UserFacingException("NNAPI is deprecated since Android 15 and is not measured; use the GPU or a vendor's delegate.")
        }
        return delegate("NNAPI does not start on this phone") {
            // Without the CPU fallback, which would be timed as an accelerator.
            NnApiDelegate(NnApiDelegate.Options().setUseNnapiCpu(false))
        }
    }

    /** Without its library, a delegate throws a `LinkageError`; without a driver, a `RuntimeException`. */
    private fun delegate(failure: String, open: () -> Delegate): Delegate = try {
        open()
    } catch (error: LinkageError) {
        throw UserFacingException("$failure: its library is missing.", error)
    } catch (error: RuntimeException) {
        throw UserFacingException("$failure: ${error.message.orEmpty().lines().first().take(160)}", error)
    }
}
