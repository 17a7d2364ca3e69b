package ecbsr.demo.core

import ecbsr.demo.DesktopEngineFactory
import ecbsr.demo.Fixtures
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Test

class ResultsJsonTest {
    @Test
    fun hasTheFieldsOfEcbsrBench() {
        val model = SrModel.read("made-y-x4-int8", Fixtures.model("made-y-x4-int8"))
        val protocol = Protocol(rounds = 3, runs = 5, warmUps = 1)
        val benchmark = Benchmark(model, DesktopEngineFactory, protocol, ::gradient, System::nanoTime) { null }
        val rows = benchmark.run(listOf(Case(Backend.Cpu(4), Size(64, 48))), Job()) {}
        val device = DeviceInfo("d", "Maker Phone", "soc", "Android 14", "print", listOf("arm64-v8a"), "2.16.1")
        val json = JSONObject(resultsJson(rows, device, listOf(ThermalSample(0.0, null)), protocol, "2026-01-01T00:00:00Z"))
        val row = json.getJSONArray("results").getJSONObject(0)
        val fields = "ci95_ms delegate device fps median_ms model nodes_delegated nodes_total note p95_ms precision run_ms runs size status threads"
        assertEquals(fields.split(" "), row.keys().asSequence().toList().sorted())
        assertEquals(1, json.getInt("schema"))
        assertEquals("d", json.getJSONObject("devices").keys().next())
        // run-tests.sh imports this file with ecbsr-bench.
        Fixtures.file("models").resolveSibling("results.json").writeText(json.toString(2))
    }
}
