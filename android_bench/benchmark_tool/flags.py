"""The command-line flags of the benchmark tool."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import Case, Delegate, Settings


def offered(kind: str, delegate: Delegate, api: int | None) -> str:
    """Why this tool or phone cannot run the delegate; "" where it can."""
    if kind == "litert" and delegate.name in ("nnapi", "external"):
        return f"LiteRT's tool has no {delegate.name} delegate; use --tool tflite"
    if delegate.name == "nnapi" and api is not None and api < 27:
        return f"NNAPI begins with API level 27 (Android 8.1); this phone has {api}"
    return ""


def remark(delegate: Delegate, api: int | None) -> str:
    """What a reader should know about the delegate on this phone; mostly nothing."""
    if delegate.name == "nnapi" and api is not None:
        if api >= 35:
            return "NNAPI is deprecated from Android 15 on; prefer gpu or a vendor's delegate"
        if api < 29:
            return "NNAPI takes PRELU and LEAKY_RELU from API level 29 on"
    return ""


def arguments(kind: str, case: Case, delegate: Delegate, model: str, settings: Settings) -> list[str]:
    """The tool's flags for one timed run of the file `model` on the phone."""
    return [
        f"--graph={model}",
        f"--num_threads={case.threads}",
        f"--num_runs={settings.iterations}",
        "--min_secs=0",
        f"--max_secs={settings.limits.timed:g}",
        "--warmup_runs=1",
        "--warmup_min_secs=0.5",
        "--report_peak_memory_footprint=true",
        *_delegate_flags(kind, delegate),
    ]


def _delegate_flags(kind: str, delegate: Delegate) -> list[str]:
    if delegate.name == "cpu":
        return ["--use_cpu=true"] if kind == "litert" else ["--use_xnnpack=true"]
    if delegate.name == "gpu":
        return ["--use_gpu=true"] if kind == "litert" else ["--use_gpu=true", "--gpu_precision_loss_allowed=true"]
    if delegate.name == "nnapi":
        # NNAPI's own CPU reference would pass for an accelerator.
        accelerator = [f"--nnapi_accelerator_name={delegate.argument}"] if delegate.argument else []
        return ["--use_nnapi=true", "--disable_nnapi_cpu=true", *accelerator]
    options = ";".join(f"{key}:{value}" for key, value in delegate.options)
    return [f"--external_delegate_path={delegate.argument}"] + (
        [f"--external_delegate_options={options}"] if options else []
    )


def check_flags(input_name: str, shape: Sequence[int], values: str, output: str) -> list[str]:
    """Further flags for one inference on the file `values`, its result written to the file `output`."""
    name = input_name.replace(":", "::")  # the tool's own way to write a name that holds a colon
    return [
        "--num_runs=1",
        "--warmup_runs=1",
        "--warmup_min_secs=0",
        f"--input_layer={input_name}",
        f"--input_layer_shape={','.join(str(n) for n in shape)}",
        f"--input_layer_value_files={name}:{values}",
        f"--output_filepath={output}",
    ]


def profile_flags(kind: str) -> list[str]:
    """Further flags for a run with the operator profile."""
    return ["--use_profiler=true"] if kind == "litert" else ["--enable_op_profiling=true"]
