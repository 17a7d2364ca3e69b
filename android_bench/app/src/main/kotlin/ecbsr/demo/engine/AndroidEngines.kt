package ecbsr.demo.engine

import android.os.Build
import ecbsr.demo.core.Backend
import ecbsr.demo.core.Engine
import ecbsr.demo.core.Engines
import ecbsr.demo.core.Refused
import java.nio.ByteBuffer
import org.tensorflow.lite.Delegate
import org.tensorflow.lite.gpu.GpuDelegate
import org.tensorflow.lite.gpu.GpuDelegateFactory
import org.tensorflow.lite.nnapi.NnApiDelegate

/** The phone's own CPU, GPU and NNAPI. */
object AndroidEngines : Engines {
    /** Android 14; NNAPI is deprecated from Android 15 on. */
    private const val LAST_WITH_NNAPI = 34

    override fun open(model: ByteBuffer, backend: Backend): Engine = when (backend) {
        is Backend.Cpu -> LiteEngine(model, backend.threads)
        Backend.Gpu -> LiteEngine(model, 1, gpu())
        Backend.Nnapi -> LiteEngine(model, 1, nnapi())
    }

    private fun gpu(): Delegate = delegate("The GPU delegate does not start on this phone") {
        GpuDelegate(GpuDelegateFactory.Options().setQuantizedModelsAllowed(true).setInferencePreference(SUSTAINED))
    }

    private fun nnapi(): Delegate {
        if (Build.VERSION.SDK_INT < 27) throw Refused("NNAPI came with Android 8.1; this phone has an older version.")
        if (Build.VERSION.SDK_INT > LAST_WITH_NNAPI) {
            throw Refused("NNAPI is deprecated since Android 15 and is not timed here; use the GPU or a vendor's delegate.")
        }
        return delegate("NNAPI does not start on this phone") {
            // Without its CPU fallback: that would be timed as if it were an accelerator.
            NnApiDelegate(NnApiDelegate.Options().setUseNnapiCpu(false))
        }
    }

    /** A missing library is an error and a missing driver an exception: both mean that it is not there. */
    private fun delegate(what: String, open: () -> Delegate): Delegate = try {
        open()
    } catch (error: LinkageError) {
        throw Refused("$what: its library is missing.", error)
    } catch (error: RuntimeException) {
        throw Refused("$what: ${error.message.orEmpty().lines().first().take(160)}", error)
    }

    private const val SUSTAINED = GpuDelegateFactory.Options.INFERENCE_PREFERENCE_SUSTAINED_SPEED
}
