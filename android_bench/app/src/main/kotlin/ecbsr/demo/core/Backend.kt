package ecbsr.demo.core

import java.io.Serializable

/** What runs a model. */
sealed interface Backend : Serializable {
    val delegate: String
    val threads: Int

    /** XNNPACK, TensorFlow Lite's CPU delegate. */
    data class Cpu(override val threads: Int) : Backend {
        override val delegate get() = "cpu"
    }

    data object Gpu : Backend {
        override val delegate get() = "gpu"
        override val threads get() = 1
    }

    /** Android's neural network API, deprecated since Android 15. */
    data object Nnapi : Backend {
        override val delegate get() = "nnapi"
        override val threads get() = 1
    }
}

/** A backend and an input size to measure. */
data class Case(val backend: Backend, val size: Size) : Serializable
