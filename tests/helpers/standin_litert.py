"""LiteRT's `benchmark_model` on the stand-in phone, with its NPU path: what it loads, compiles and prints.

Its libraries are files that contain "release X", and it has the one in `tool.json`. Other keys: "selected": [nodes that
the compiler takes, all]; "refuses": the compiler's reason; otherwise as in `standin_tool`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

RELEASE = "2.2.0"


def run_tool(arguments: list[str]) -> int:
    """Behave as `tool.json` in the root of the phone says."""
    import bench_logs  # beside this file
    from standin_tool import called

    _, behavior, flags = called(arguments, "runs")
    model = Path(flags["graph"]).read_bytes()
    compiled = b"DISPATCH_OP" in model
    dispatched = 0
    if flags.get("use_npu") == "true":
        folder = Path(flags["dispatch_library_path"])
        if not compiled:
            compiled = compiles(Path(flags["compiler_plugin_library_path"]), behavior)
        if not dispatches(folder, behavior):
            log("ERROR", "dispatch_delegate.cc:115", "Failed to initialize Dispatch API: ")
        elif compiled:
            dispatched = 1
    if compiled and not dispatched:
        log("ERROR", "interpreter.cc:1", "Encountered unresolved custom op: DISPATCH_OP.")
        log("ERROR", "benchmark_litert_model.cc:326", "Failed to compile model.")
        print("ERROR: Benchmarking failed.", file=sys.stderr)
        return 1
    name = "DispatchDelegate" if dispatched else "TfLiteXNNPackDelegate"
    total = 1 if dispatched else 8
    replacing = f"Replacing {total} out of {total} node(s) with delegate ({name}) node, yielding 1 partitions for"
    print(f"INFO: {replacing} subgraph 0.", file=sys.stderr)
    sys.stdout.write(bench_logs.LITERT[0].replace("0.056784", f"{len(model) / 1e6:.6g}"))
    return 0


def compiles(folder: Path, behavior: dict[str, Any]) -> bool:
    """Whether the plug-in in a folder loads and compiles some operators."""
    plugins = sorted(folder.glob("libLiteRtCompilerPlugin*.so"))
    if not plugins:
        log("WARN", "compiled_model.cc:1244", "Failed to apply compiler plugins: No compiler plugin found")
        return False
    if not is_of_the_release(plugins[0], behavior):
        error = "Unsupported compiler plugin version"
        log("WARN", "compiler_plugin.cc:311", f"Failed to load plugin at: {plugins[0]} with error: {error}")
        return False
    if "libQnnHtpPrepare.so" not in linked() and "Qualcomm" in plugins[0].name:
        error = 'dlopen failed: library "libQnnHtpPrepare.so" not found'
        log("WARN", "compiler_plugin.cc:311", f"Failed to load plugin at: {plugins[0]} with error: {error}")
        return False
    if "refuses" in behavior:
        log("ERROR", "compiled_model.cc:1252", f"Plugin errs: Qualcomm {behavior['refuses']}")
        return False
    taken, total = behavior.get("selected", [8, 8])
    parts = int(taken > 0) + int(0 < taken < total)
    selected = f"Partitioned subgraph<0>, selected {taken} ops, from a total of {total} ops."
    log("INFO", "compiler_plugin.cc:738", f"{selected} resulted in {parts} partitions.")
    return bool(taken)


def dispatches(folder: Path, behavior: dict[str, Any]) -> bool:
    """Whether the dispatch library in a folder loads, with the vendor's runtime."""
    libraries = sorted(folder.glob("libLiteRtDispatch*.so"))
    if not libraries:
        log("ERROR", "litert_dispatch.cc:121", f"No dispatch library found in {folder}")
        return False
    log("INFO", "litert_dispatch.cc:158", f"Loading shared library: {libraries[0]}")
    if not is_of_the_release(libraries[0], behavior):
        log("ERROR", "litert_dispatch.cc:186", "Unsupported dispatch runtime version")
        return False
    missing = {"libQnnHtp.so", "libQnnSystem.so"} - linked() if "Qualcomm" in libraries[0].name else set()
    for name in sorted(missing):
        log("ERROR", "qnn_manager.cc:90", f'dlopen failed: library "{name}" not found')
    return not missing


def is_of_the_release(library: Path, behavior: dict[str, Any]) -> bool:
    return f"release {behavior.get('release', RELEASE)}\0".encode() in library.read_bytes()


def linked() -> set[str]:
    """The names of the libraries that the linker finds."""
    return {path.name for folder in os.environ["LD_LIBRARY_PATH"].split(":") for path in Path(folder).glob("*.so")}


def log(level: str, place: str, text: str) -> None:
    print(f"{level}: [{place}] {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_tool(sys.argv[1:]))
