// In the runtime's package, because the runtime exposes the execution plan only there.
package org.tensorflow.lite

/** The number of nodes in the execution plan after delegation, where each delegated partition is one node. */
internal fun executionPlanLength(interpreter: Interpreter): Int = interpreter.executionPlanLength
