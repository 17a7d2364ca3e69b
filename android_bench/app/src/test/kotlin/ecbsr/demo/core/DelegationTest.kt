package ecbsr.demo.core

import org.junit.Assert.assertEquals
import org.junit.Test

class DelegationTest {
    @Test
    fun aFallbackIsNeverReportedAsTheDelegate() {
        fun delegation(backend: Backend, planLength: Int?) = Delegation.of(backend, 19, planLength).run { "$status $nodes" }
        assertEquals("ok 19", delegation(Backend.Gpu, 1))
        assertEquals("fallback 0", delegation(Backend.Gpu, 19))
        assertEquals("partial 18", delegation(Backend.Gpu, 2))
        assertEquals("fallback 0", delegation(Backend.Nnapi, 19))
        assertEquals("partial null", delegation(Backend.Nnapi, 5))
        assertEquals("partial null", delegation(Backend.Nnapi, null))
        assertEquals("ok 19", delegation(Backend.Cpu(1), 1))
        assertEquals("ok null", delegation(Backend.Cpu(1), 13))
        assertEquals("ok null", delegation(Backend.Cpu(1), null))
    }
}
