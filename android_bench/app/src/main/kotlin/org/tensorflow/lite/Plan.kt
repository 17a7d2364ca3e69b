// In the runtime's own package: the only way to what the runtime knows of its plan.
package org.tensorflow.lite

/** How many steps the interpreter will run: nodes, and one for each partition that a delegate took. */
internal fun steps(interpreter: Interpreter): Int = interpreter.executionPlanLength
