package ecbsr.demo.core

/** How many [nodes] of a graph a delegate runs, as far as known, and the resulting status of a round. */
internal class Delegation(val status: String, val nodes: Int?, val note: String) {
    companion object {
        /**
         * The runtime reports only the length of the execution plan: the nodes outside the delegate, and one node for
         * each delegated partition. The count is exact if the plan has one node, or if there is at most one partition,
         * as with the GPU delegate. Otherwise the plan gives a lower bound.
         */
        fun of(backend: Backend, nodes: Int, planLength: Int?): Delegation {
            val isCpu = backend is Backend.Cpu
            return when {
                planLength == null -> Delegation(if (isCpu) "ok" else "partial", null, "The runtime does not report the delegated nodes.")
                planLength == 1 && nodes > 1 -> Delegation("ok", nodes, "")
                planLength >= nodes && isCpu -> Delegation("ok", null, "XNNPACK runs no nodes, or only single ones.")
                planLength >= nodes -> Delegation("fallback", 0, "The delegate runs no nodes, so the CPU would be timed.")
                backend is Backend.Gpu -> Delegation("partial", nodes - planLength + 1, "The CPU runs the other nodes.")
                else -> Delegation(
                    if (isCpu) "ok" else "partial", null,
                    "At least ${nodes - planLength + 1} of $nodes nodes are delegated: the execution plan has $planLength nodes.",
                )
            }
        }
    }
}
