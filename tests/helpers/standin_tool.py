"""The benchmark tool of the stand-in phone: an ELF file that starts this module as a program."""

from __future__ import annotations

import json
import os
import re
import struct
import sys
import time
from pathlib import Path
from typing import Any


def elf(machine: int = 0x3E, extra: bytes = b"", program: str = "standin_tool.py") -> bytes:
    """A static x86-64 program that becomes `python PROGRAM ARGUMENTS…`; for another `machine`, it does not run.

    It overwrites the two stack slots of argc and argv[0] with the new argv[0] and argv[1], then calls execve.
    """
    base, header = 0x400000, 64 + 56
    python, script = sys.executable.encode() + b"\0", str(Path(__file__).resolve().with_name(program)).encode() + b"\0"
    code = bytearray()

    def load(opcode: bytes, target: int) -> None:  # lea register, [rip + ...]
        end = len(code) + len(opcode) + 4
        code.extend(opcode + struct.pack("<i", target - end))

    size = 51 + 7
    code += bytes.fromhex("488b0c24 488d54cc10")  # mov rcx,[rsp]; lea rdx,[rsp+rcx*8+16] (the environment)
    load(bytes.fromhex("488d05"), size)  # lea rax,[python]
    code += bytes.fromhex("48890424")  # mov [rsp],rax
    load(bytes.fromhex("488d1d"), size + len(python))  # lea rbx,[script]
    code += bytes.fromhex("48895c2408 4889c7 4889e6")  # mov [rsp+8],rbx; mov rdi,rax; mov rsi,rsp
    code += bytes.fromhex("b83b000000 0f05")  # execve
    code += bytes.fromhex("bf7f000000 b83c000000 0f05")  # exit(127)
    body = bytes(code).ljust(size, b"\x90") + python + script + extra
    total = header + len(body)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    entry = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + header, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, base, base, total, total, 0x1000)
    return ident + entry + segment + body


def called(arguments: list[str], calls: str) -> tuple[Path, dict[str, Any], dict[str, str]]:
    """The root of the phone, its `tool.json`, and the flags of a tool, which are added to the file `calls` there."""
    root = Path.cwd().parents[3]
    behavior = json.loads((root / "tool.json").read_text())
    flags = dict(argument.lstrip("-").split("=", 1) for argument in arguments)
    with (root / calls).open("a") as file:
        file.write(json.dumps(flags) + "\n")
    return root, behavior, flags


def run_tool(arguments: list[str]) -> int:
    """Behave as `tool.json` in the root of the phone says.

    Keys: "replay": [standard output, standard error, exit code], printed unchanged except for `{megabytes}`;
    "signal": end by it; "hang": True, or the numbers of the runs that never end; "hang_with": runs with this flag never
    end; "wait": end when the file `end` exists in the root; "unknown": flags that the tool does not know; "delegates":
    {"gpu": [delegated nodes, all nodes]}; "ms": the latency to print; "run": print the latency of the real interpreter
    times this; "wrong": spoil the output; "dsp": what the DSP does with a skel library, "signature" or "closed";
    "xnnpack": use it in any case.
    """
    root, behavior, flags = called(arguments, "runs")
    model = Path(flags["graph"])
    megabytes = f"{model.stat().st_size / 1e6:.6g}" if model.exists() else "0"
    number = len((root / "runs").read_text().splitlines())
    if "replay" in behavior:
        out, err, code = behavior["replay"]
        sys.stdout.write(out.replace("{megabytes}", megabytes))
        sys.stderr.write(err)
        return int(code)
    if "signal" in behavior:
        os.kill(os.getpid(), behavior["signal"])
    hangs = behavior.get("hang", [])
    if hangs is True or number in hangs or flags.get(behavior.get("hang_with")) == "true":
        print("STARTING!", flush=True)
        time.sleep(3600)
    while behavior.get("wait") and not (root / "end").exists():
        time.sleep(0.005)
    unknown = [f"--{name}={value}" for name, value in flags.items() if name in behavior.get("unknown", [])]
    if unknown:
        print("WARN: Unconsumed cmdline flags:", *unknown)
    if "output_filepath" in flags and not unknown:
        _write_output(model, flags, behavior)
    if float(flags["min_secs"]):
        _use_power(root, float(flags["min_secs"]))
    _print_log(flags, behavior, megabytes, number)
    return 0


def _print_log(flags: dict[str, str], behavior: dict[str, Any], megabytes: str, number: int) -> None:
    delegate = next((name for name in ("gpu", "nnapi") if flags.get(f"use_{name}") == "true"), "xnnpack")
    if "external_delegate_path" in flags:
        delegate = "external" if Path(flags["external_delegate_path"]).is_file() else "absent"
    names = {"gpu": "TfLiteGpuDelegateV2", "nnapi": "TfLiteNnapiDelegate", "xnnpack": "TfLiteXNNPackDelegate"}
    names["external"] = "TfLiteQnnDelegate"
    qnn_failed = Path(flags.get("external_delegate_path", "")).name == QNN_DELEGATE and _qnn_fails(flags, behavior)
    taken, total = behavior.get("delegates", {}).get(delegate, [0 if delegate == "absent" else 8, 8])
    if "run" in behavior and taken:  # the real number of nodes, less those that the behavior refuses
        nodes = _nodes(Path(flags["graph"]))
        taken, total = nodes - (total - taken), nodes
    if qnn_failed:
        taken = 0
    if delegate == "external":
        print(
            f"INFO: TfLiteQnnDelegate delegate: {taken} nodes delegated out of {total} nodes with "
            f"{int(taken > 0)} partitions.\n"
        )
    if delegate == "xnnpack" and flags.get("use_xnnpack") == "false" and not behavior.get("xnnpack"):
        pass
    elif taken:
        how = "completely executed by the delegate"
        if taken < total:  # the delegate has the first nodes, and the CPU the others
            how = "partially executed by the delegate w/ 1 delegate kernels"
        print(f"INFO: Explicitly applied {delegate.upper()} delegate, and the model graph will be {how}.")
        print(
            f"INFO: Replacing {taken} out of {total} node(s) with delegate ({names[delegate]}) node, "
            f"yielding {1 if taken == total else 2} partitions for subgraph 0.",
            file=sys.stderr,
        )
    else:
        print(f"INFO: Though {delegate.upper()} delegate is explicitly applied, the model graph will not be executed.")
    micros = int(behavior.get("ms", 5) * 1000) + number
    if "run" in behavior:
        micros = int(_timed(Path(flags["graph"]), int(flags["num_threads"]), int(flags["num_runs"])) * behavior["run"])
    stated = f"min={micros - 9} max={micros + 90} avg={micros + 10.25} std=9 "
    stated += f"p5={micros - 8} median={micros} p95={micros + 80}"
    header = "INFO: Running benchmark for at least {} iterations and at least {} seconds "
    header += "but terminate if exceeding 60 seconds."
    print(f"INFO: The input model file size (MB): {megabytes}\nINFO: Initialized session in 1.5ms.")
    print(header.format(1, 0.5) + f"\nINFO: count=9 first=9000 curr=8000 {stated}\n")
    print(
        header.format(flags["num_runs"], 0)
        + f"\nINFO: count={flags['num_runs']} first={micros} curr={micros} {stated}\n"
    )
    print(
        f"INFO: Inference timings in us: Init: 1500, First inference: 9000, Warmup (avg): 1, Inference (avg): {micros}"
    )
    print("INFO: Overall peak memory footprint (MB) via periodic monitoring: 12.5")
    if flags.get("enable_op_profiling") == "true":
        print(
            "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
            "============================== Summary by node type ==============================\n"
            "\t             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]\n"
            "\t                 CONV_2D\t        6\t     3.600\t    75.000%\t    75.000%\t     0.000\t        6\n"
            "\t          DEPTH_TO_SPACE\t        1\t     1.200\t    25.000%\t   100.000%\t     0.000\t        1\n"
        )


def _use_power(root: Path, seconds: float) -> None:
    """Run until that many seconds have passed on the clock of the phone; see `adb_device.Device.set_gauge`."""
    start, loaded = _uptime(root), root / "loaded"
    loaded.touch()
    end = time.monotonic() + 100
    while _uptime(root) < start + seconds and time.monotonic() < end:
        time.sleep(0.002)
    # The clock stands until the shell that waits for this tool has ended, however long that takes here.
    (root / "waits").write_text(str(os.getppid()))
    loaded.unlink()


def _uptime(root: Path) -> float:
    text = ""
    while not text:  # it is being written
        text = (root / "proc/uptime").read_text()
    return float(text.split()[0])


QNN_DELEGATE = "libQnnTFLiteDelegate.so"


def _qnn_fails(flags: dict[str, str], behavior: dict[str, Any]) -> bool:
    """Whether Qualcomm's delegate finds no backend; it then says why as the real one does (see `phone/qnn.py`).

    The delegate opens its backend through the linker, and the DSP the skel library through ADSP_LIBRARY_PATH.
    """
    options = dict(option.split(":") for option in flags["external_delegate_options"].split(";") if option)
    kind = {"htp": "Htp", "gpu": "Gpu", "dsp": "Dsp"}[options["backend_type"]]
    linked = os.environ["LD_LIBRARY_PATH"].split(":")
    names = [f"libQnn{kind}.so", "libQnnSystem.so"] + ["libQnnHtpPrepare.so"] * (kind == "Htp")
    for name in names:
        if not any(Path(folder, name).is_file() for folder in linked):
            print(f'ERROR: dlopen failed: library "{name}" not found', file=sys.stderr)
            return True
    if kind == "Gpu":
        return False
    prefix = f"libQnn{kind}V{behavior.get('hexagon', 75 if kind == 'Htp' else 66)}"
    if not any(Path(folder, f"{prefix}Stub.so").is_file() for folder in linked):
        print(f'ERROR: dlopen failed: library "{prefix}Stub.so" not found', file=sys.stderr)
        return True
    skels = [Path(folder, f"{prefix}Skel.so") for folder in os.environ["ADSP_LIBRARY_PATH"].split(";")]
    skel = next((path for path in skels if path.is_file()), None)
    rpc = "vendor/qcom/proprietary/adsprpc/src/fastrpc_apps_user.c:1622: Error"
    uri = f"file:///{prefix}Skel.so?qnn_skel_handle_invoke&_modver=1.0&_dom=cdsp"
    if behavior.get("dsp") == "closed":
        _log("E", "benchmark_model", f"{rpc} 0x80000416: apps_dev_init failed for domain 3, errno Success")
    elif behavior.get("dsp") == "signature":
        _log("E", "benchmark_model", f"{rpc} 0x80000406: remote_handle_open_domain: dynamic loading failed for {uri} "
             f"on domain 3 (dlerror signature verify start failed for {skel and skel.name})")  # fmt: skip
    elif skel is None:
        _log("E", "QnnDsp  ", " <E> DspTransport.openSession qnn_open failed, 0x80000406, prio 100")
        _log("E", "QnnDsp  ", " <E> IDspTransport: Unable to load lib 0x80000406")
    else:
        host = next(Path(folder, names[0]) for folder in linked if Path(folder, names[0]).is_file())
        expected, detected = (re.search(rb"v[\d.]+\.\d{12}", path.read_bytes()) for path in (host, skel))
        if expected is None or detected is None or expected[0] == detected[0]:
            return False
        mismatch = f"expected ({expected[0].decode()}_1), detected ({detected[0].decode()}_1)"
        _log("E", "QnnDsp  ", f" <E> Skel lib id mismatch: {mismatch}")
    _log("E", "QnnDsp  ", " <E> Failed to load skel, error: 4000")
    return True


def _log(level: str, tag: str, message: str) -> None:
    """Write to the system's log."""
    with Path.cwd().parents[3].joinpath("logcat").open("a") as file:
        file.write(f"11-02 10:11:12.345 {os.getpid():5} {os.getpid():5} {level} {tag}: {message}\n")


def _nodes(model: Path) -> int:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_path=str(model), experimental_op_resolver_type=plain)
    return len(interpreter._get_ops_details())


def _timed(model: Path, threads: int, runs: int) -> float:
    """Median microseconds of the real interpreter on this machine."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model), num_threads=threads)
    interpreter.allocate_tensors()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        interpreter.invoke()
        times.append((time.perf_counter() - start) * 1e6)
    return sorted(times)[runs // 2]


def _write_output(model: Path, flags: dict[str, str], behavior: dict[str, Any]) -> None:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(model))
    interpreter.allocate_tensors()
    tensor = interpreter.get_input_details()[0]
    name, _, path = flags["input_layer_value_files"].rpartition(":")
    assert name.replace("::", ":") == flags["input_layer"] == tensor["name"]
    assert flags["input_layer_shape"] == ",".join(str(n) for n in tensor["shape"])
    interpreter.set_tensor(tensor["index"], np.fromfile(path, tensor["dtype"]).reshape(tensor["shape"]))
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    if behavior.get("wrong"):
        output = output[:, ::-1]
    output.tofile(flags["output_filepath"])


if __name__ == "__main__":
    sys.exit(run_tool(sys.argv[1:]))
