package ecbsr.demo.core

import java.io.Serializable

/** A backend and an input size to measure. */
data class Case(val backend: Backend, val size: Size) : Serializable
