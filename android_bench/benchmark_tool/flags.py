"""The command-line flags of the benchmark tool."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import VARIANTS, Case, Delegate, Options

SAMPLE_SIZE = 30_000
"""How many values `run_model` prints of the beginning, of the middle and of the end of an output: some megabytes."""

NNAPI_SINCE, NNAPI_1_2_SINCE, NNAPI_DEPRECATED_SINCE = 27, 29, 35  # API levels


def unsupported_reason(kind: str, delegate: Delegate, api: int | None) -> str:
    """Why this `kind` of tool ("tflite" or "litert"), or this API level, has no such delegate; "" if it has."""
    if kind == "litert" and delegate.name in ("nnapi", "qnn", "external"):
        return f"LiteRT's tool has no {delegate.name} delegate; use --tool tflite"
    if kind == "tflite" and delegate.name == "npu":
        return "TFLite's tool has no npu delegate; give --tool the folder of LiteRT's benchmark_model, or use qnn"
    if kind == "litert" and delegate.name in VARIANTS and delegate.argument:
        return f"LiteRT's tool cannot choose {delegate}; use --tool tflite"
    if delegate.name == "nnapi" and api is not None and api < NNAPI_SINCE:
        return f"NNAPI needs API level {NNAPI_SINCE} (Android 8.1); this phone has {api}"
    return ""


def delegate_note(delegate: Delegate, api: int | None) -> str:
    """A note about the delegate on a phone of this API level; mostly ""."""
    if delegate.name == "nnapi" and api is not None:
        if api >= NNAPI_DEPRECATED_SINCE:
            return "NNAPI is deprecated since Android 15; prefer gpu or a delegate of the vendor"
        if api < NNAPI_1_2_SINCE:
            return (
                f"before API level {NNAPI_1_2_SINCE} (Android 10), NNAPI can run nodes on the CPU, which cannot be "
                "excluded or seen, and does not support PRELU and LEAKY_RELU"
            )
    return ""


def timing_flags(
    kind: str, case: Case, delegate: Delegate, model: str, options: Options, library: str = ""
) -> list[str]:
    """The flags of a timed run of the file `model` on the phone.

    `library` is that of a delegate, on the phone; for "npu" the folder of its libraries.
    """
    return [
        f"--graph={model}",
        f"--num_threads={case.threads}",
        f"--num_runs={options.iterations}",
        "--min_secs=0",
        f"--max_secs={options.limits.timed:g}",
        "--warmup_runs=1",
        "--warmup_min_secs=0.5",
        "--report_peak_memory_footprint=true",
        *_delegate_flags(kind, delegate, library),
    ]


def _delegate_flags(kind: str, delegate: Delegate, library: str) -> list[str]:
    if delegate.name == "cpu":
        xnnpack = str(delegate.argument != "builtin").lower()
        return ["--use_cpu=true"] if kind == "litert" else [f"--use_xnnpack={xnnpack}"]
    if delegate.name == "gpu":
        precision = [f"--gpu_precision_loss_allowed={str(delegate.argument != 'fp32').lower()}"]
        return ["--use_gpu=true", *(precision if kind != "litert" else [])]
    if delegate.name == "npu":
        return ["--use_npu=true", f"--dispatch_library_path={library}", f"--compiler_plugin_library_path={library}"]
    if delegate.name == "nnapi":
        # Without this flag, the reference implementation of NNAPI on the CPU counts as an accelerator. TFLite can
        # exclude it only from API level 29 on (`ShouldUseTargetDevices` in nnapi_delegate.cc): see `delegate_note`.
        accelerator = [f"--nnapi_accelerator_name={delegate.argument}"] if delegate.argument else []
        return ["--use_nnapi=true", "--disable_nnapi_cpu=true", *accelerator]
    backend = [("backend_type", delegate.argument)] if delegate.name == "qnn" else []
    options = ";".join(f"{key}:{value}" for key, value in (*backend, *delegate.options))
    return [f"--external_delegate_path={library or delegate.argument}"] + (
        [f"--external_delegate_options={options}"] if options else []
    )


def check_flags(input_name: str, shape: Sequence[int], values: str, output: str) -> list[str]:
    """Additional flags: one inference with the input in the file `values`, writing the file `output`."""
    name = input_name.replace(":", "::")  # the tool's escape for a colon in a name
    return [
        "--num_runs=1",
        "--warmup_runs=1",
        "--warmup_min_secs=0",
        f"--input_layer={input_name}",
        f"--input_layer_shape={','.join(str(n) for n in shape)}",
        f"--input_layer_value_files={name}:{values}",
        f"--output_filepath={output}",
    ]


def run_model_flags(delegate: Delegate, model: str, inputs: str, libraries: str = "") -> list[str]:
    """The flags of LiteRT's `run_model`: one inference with the files in `inputs`, printing values of its output."""
    npu = [f"--dispatch_library_dir={libraries}", f"--compiler_plugin_library_dir={libraries}"] if libraries else []
    return [
        *npu,
        f"--graph={model}",
        f"--accelerator={delegate.name}",
        f"--input_dir={inputs}",
        "--print_tensors=true",
        "--compare_numerical=true",
        f"--sample_size={SAMPLE_SIZE}",
    ]


def profile_flags(kind: str) -> list[str]:
    """Additional flags: the operator profiler."""
    return ["--use_profiler=true"] if kind == "litert" else ["--enable_op_profiling=true"]


def energy_flags(seconds: float) -> list[str]:
    """Additional flags: inferences one after another for at least `seconds`."""
    return ["--num_runs=1", f"--min_secs={seconds:g}", f"--max_secs={2 * seconds:g}"]


def merge_flags(flags: Sequence[str], changed: Sequence[str]) -> list[str]:
    """`flags` with those in `changed` added; a flag in both has the value of `changed`."""
    names = {flag.split("=")[0] for flag in changed}
    return [flag for flag in flags if flag.split("=")[0] not in names] + list(changed)
