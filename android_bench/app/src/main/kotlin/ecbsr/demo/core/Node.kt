package ecbsr.demo.core

/** An operator of a graph. [stride], [dilation], [samePadding] and [block] apply only to operators that have them. */
class Node(
    val operator: String,
    val inputs: List<Int>,
    val outputs: List<Int>,
    val stride: Int = 1,
    val dilation: Int = 1,
    val samePadding: Boolean = true,
    val block: Int = 1,
)
