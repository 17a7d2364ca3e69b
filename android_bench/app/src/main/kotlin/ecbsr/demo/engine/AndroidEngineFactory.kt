package ecbsr.demo.engine

import android.content.Context
import android.os.Build
import android.system.Os
import android.system.OsConstants
import ecbsr.demo.core.Backend
import ecbsr.demo.core.ElfFile
import ecbsr.demo.core.Engine
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.UserFacingException
import java.io.File
import java.nio.ByteBuffer
import org.tensorflow.lite.Delegate
import org.tensorflow.lite.gpu.GpuDelegate
import org.tensorflow.lite.gpu.GpuDelegateFactory
import org.tensorflow.lite.nnapi.NnApiDelegate

/**
 * Opens engines on the phone's CPU, GPU and NNAPI. The CPU uses bytedeco's TensorFlow Lite, and `org.tensorflow.lite`
 * where that has no library (32-bit phones). The GPU and NNAPI need `org.tensorflow.lite`.
 *
 * @param libraries the folder of the app's native libraries.
 * @param pageSize the size of the phone's memory pages in bytes.
 */
class AndroidEngineFactory(private val libraries: File, private val pageSize: Long) : EngineFactory {
    constructor(context: Context) : this(File(context.applicationInfo.nativeLibraryDir.orEmpty()), Os.sysconf(OsConstants._SC_PAGESIZE))

    override fun open(model: ByteBuffer, backend: Backend): Engine = when (backend) {
        is Backend.Cpu -> if (BytedecoEngine.isAvailable) BytedecoEngine(model, backend.threads) else liteEngine(model, backend.threads)
        Backend.Gpu -> liteEngine(model, 1, ::gpu)
        Backend.Nnapi -> liteEngine(model, 1, ::nnapi)
    }

    /** Checks the alignment first, because a phone in compatibility mode could also load a wrongly aligned library. */
    private fun liteEngine(model: ByteBuffer, threads: Int, delegate: () -> Delegate? = { null }): Engine {
        for (name in LITE_LIBRARIES) {
            val alignment = ElfFile.alignment(File(libraries, name)) ?: continue
            if (alignment < pageSize) {
                throw UserFacingException(
                    "This phone has memory pages of ${pageSize / 1024} KB, and $name supports pages of ${alignment / 1024} KB only: use the CPU.",
                )
            }
        }
        return LiteEngine(model, threads, delegate())
    }

    private fun gpu(): Delegate = delegate("The GPU delegate does not start on this phone") {
        GpuDelegate(GpuDelegateFactory.Options().setQuantizedModelsAllowed(true).setInferencePreference(SUSTAINED_SPEED))
    }

    private fun nnapi(): Delegate {
        if (Build.VERSION.SDK_INT < FIRST_NNAPI_LEVEL) throw UserFacingException("NNAPI needs Android 10: before, it can run a model on the CPU without saying so.")
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

    private companion object {
        const val FIRST_NNAPI_LEVEL = 29 // Android 10, from which on TensorFlow Lite can exclude NNAPI's CPU
        const val LAST_NNAPI_LEVEL = 34 // Android 14; NNAPI is deprecated since Android 15
        const val SUSTAINED_SPEED = GpuDelegateFactory.Options.INFERENCE_PREFERENCE_SUSTAINED_SPEED
        val LITE_LIBRARIES = listOf("libtensorflowlite_jni.so", "libtensorflowlite_gpu_jni.so")
    }
}
