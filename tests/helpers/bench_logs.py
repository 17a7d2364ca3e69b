"""Output in the formats of the benchmark tools, written by hand from their descriptions: no tool has printed it.

Each is (standard output, standard error) of a run on a model of 49 nodes in a file of 56784 bytes.
"""

from __future__ import annotations

MODEL_BYTES = 56784
NODES = 49
SHAPE = (270, 480, 1)

_HEAD_2024 = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [20]
INFO: Graph: [/data/local/tmp/x/model.tflite]
"""
_TAIL_2024 = """\
INFO: The input model file size (MB): 0.056784
INFO: Initialized session in 5.123ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 60 seconds.
INFO: count=104 first=9012 curr=4790 min=4702 max=9012 avg=4811.5 std=401 p5=4711 median=4790 p95=4977

INFO: Running benchmark for at least 20 iterations and at least 0 seconds but terminate if exceeding 60 seconds.
INFO: count=20 first=4801 curr=4779 min=4711 max=4951 avg=4795.35 std=55 p5=4720 median=4788 p95=4921

INFO: Inference timings in us: Init: 5123, First inference: 9012, Warmup (avg): 4811.5, Inference (avg): 4795.35
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
INFO: Memory footprint delta from the start of the tool (MB): init=2.53906 overall=33.801
INFO: Overall peak memory footprint (MB) via periodic monitoring: 37.824
"""


def _replaced(nodes: int, delegate: str, partitions: int, total: int = NODES) -> str:
    return (
        f"INFO: Replacing {nodes} out of {total} node(s) with delegate ({delegate}) node, "
        f"yielding {partitions} partitions for subgraph 0.\n"
    )


CPU = (
    _HEAD_2024 + "INFO: XNNPACK delegate created.\n"
    "INFO: Explicitly applied XNNPACK delegate, and the model graph will be completely executed by the delegate.\n"
    + _TAIL_2024,
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n" + _replaced(49, "TfLiteXNNPackDelegate", 1),
)
CPU_PARTIAL = (  # as the int8 PRELUs of a chain leave it: 3 partitions by XNNPACK, 2 between them
    _HEAD_2024 + "INFO: XNNPACK delegate created.\n"
    "INFO: Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the delegate w/ 3 "
    "delegate kernels.\n" + _TAIL_2024,
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n" + _replaced(47, "TfLiteXNNPackDelegate", 5),
)
CPU_PARTIAL_QUIET = (CPU_PARTIAL[0], "")  # as builds for other systems than Android print it
CPU_NO_FLAG = (
    CPU[0].replace("INFO: XNNPACK delegate created.\n", "").partition("INFO: Explicitly")[0]
    + "WARN: Unconsumed cmdline flags: --use_xnnpack=true\n"
    + _TAIL_2024,
    "",
)
CPU_OLD = (  # lines without prefix, no percentiles, slower than a second
    """\
STARTING!
Min num runs: [20]
Graph: [model.tflite]
Loaded model model.tflite
XNNPACK delegate created.
Though XNNPACK delegate is explicitly applied, the model graph will not be executed by the delegate.
The input model file size (MB): 0.056784
Initialized session in 0.461ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 60 seconds.
count=1 curr=20315064

Running benchmark for at least 20 iterations and at least 0 seconds but terminate if exceeding 60 seconds.
count=20 first=12345000 curr=12001000 min=11800000 max=13002000 avg=1.22156e+07 std=269544

Inference timings in us: Init: 461, First inference: 20315064, Warmup (avg): 2.03151e+07, Inference (avg): 1.22156e+07
""",
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n",
)
_BODY_OLD = CPU_OLD[0].replace(
    "Though XNNPACK delegate is explicitly applied, the model graph will not be executed by the delegate.\n", ""
)
CPU_2020 = (  # "Replacing" without "out of"
    _BODY_OLD,
    CPU_OLD[1] + "INFO: Replacing 5 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 partitions.\n",
)
CPU_2019 = (
    _BODY_OLD[: _BODY_OLD.rindex("Inference timings")]
    + "Average inference timings in us: Warmup: 2.03151e+07, Init: 461, no stats: 1.22156e+07\n",
    "",
)
GPU = (
    _HEAD_2024 + "INFO: Use gpu: [1]\nINFO: GPU delegate created.\n"
    "INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.\n"
    + _TAIL_2024,
    "INFO: Created TensorFlow Lite delegate for GPU.\n" + _replaced(49, "TfLiteGpuDelegateV2", 1),
)
GPU_OPENGL = (
    GPU[0],
    GPU[1] + 'ERROR: Can not open OpenCL library on this device - dlopen failed: library "libOpenCL.so" not found\n'
    "ERROR: Falling back to OpenGL\nINFO: Initialized OpenGL-based API.\nINFO: Created 1 GPU delegate kernels.\n",
)
GPU_FAILED = (
    _HEAD_2024 + "INFO: Use gpu: [1]\nINFO: GPU delegate created.\n" + _TAIL_2024,
    GPU[1] + "ERROR: TfLiteGpuDelegate Init: CONV_2D: No selector\nINFO: Created 0 GPU delegate kernels.\n"
    "ERROR: TfLiteGpuDelegate Prepare: delegate is not initialized\n"
    "ERROR: Node number 49 (TfLiteGpuDelegateV2) failed to prepare.\n"
    "ERROR: Restored original execution plan after delegate application failure.\n",
)
GPU_PARTIAL = (
    _HEAD_2024 + "INFO: GPU delegate created.\n"
    "INFO: Explicitly applied GPU delegate, and the model graph will be partially executed by the delegate w/ 1 "
    "delegate kernels.\n" + _TAIL_2024,
    "INFO: Following operations are not supported by GPU delegate:\nDEPTH_TO_SPACE: Not supported.\n"
    "INFO: 13 operations will run on the GPU, and the remaining 36 operations will run on the CPU.\n"
    + _replaced(13, "TfLiteGpuDelegateV2", 2)
    + _replaced(30, "TfLiteXNNPackDelegate", 2, total=39),
)
GPU_2020 = (
    _BODY_OLD.replace(
        "XNNPACK delegate created",
        "Applied GPU delegate, and the model graph will be partially executed w/ the delegate",
    ),
    "INFO: Created TensorFlow Lite delegate for GPU.\n"
    "ERROR: Next operations are not supported by GPU delegate:\nDEPTH_TO_SPACE: Operation is not supported.\n"
    "First 13 operations will run on the GPU, and the remaining 36 on the CPU.\n",
)
GPU_NOTHING = (
    _HEAD_2024
    + "INFO: Though GPU delegate is explicitly applied, the model graph will not be executed by the delegate.\n"
    + _TAIL_2024,
    "INFO: No operations will run on the GPU, and all 49 operations will run on the CPU.\n",
)
NNAPI = (
    _HEAD_2024 + "INFO: NNAPI delegate created.\n"
    "INFO: Explicitly applied NNAPI delegate, and the model graph will be completely executed by the delegate.\n"
    + _TAIL_2024,
    "INFO: Created TensorFlow Lite delegate for NNAPI.\n",
)
NNAPI_PARTIAL = (
    _HEAD_2024
    + "INFO: Explicitly applied NNAPI delegate, and the model graph will be partially executed by the delegate w/ 11 "
    "delegate kernels.\n" + _TAIL_2024,
    "",
)
NNAPI_NOTHING = (  # an earlier line reports success; the later line is correct
    _HEAD_2024 + "INFO: NNAPI delegate created.\n"
    "INFO: Explicitly applied NNAPI delegate, and the model graph will be completely executed by the delegate.\n"
    "INFO: Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate.\n"
    + _TAIL_2024,
    _replaced(49, "TfLiteXNNPackDelegate", 1),
)
GPU_UNSUPPORTED = (
    _HEAD_2024 + "INFO: Use gpu: [1]\nWARN: GPU acceleration is unsupported on this platform.\n" + _TAIL_2024,
    _replaced(49, "TfLiteXNNPackDelegate", 1),
)
GPU_UNKNOWN_FLAG = ("WARN: Unconsumed cmdline flags: --use_gpu=true\n" + _HEAD_2024 + _TAIL_2024, "")
EXTERNAL_CREATED = (_HEAD_2024 + "INFO: EXTERNAL delegate created.\n" + _TAIL_2024, "")
HEXAGON = (
    _HEAD_2024 + "INFO: EXTERNAL delegate created.\n" + _TAIL_2024,
    "INFO: TfLiteHexagonDelegate delegate: 47 nodes delegated out of 49 nodes with 2 partitions.\n\n"
    "INFO: Replacing 47 node(s) with delegate (TfLiteHexagonDelegate) node, yielding 4 partitions.\n",
)
HEXAGON_2020 = (
    _HEAD_2024 + "INFO: EXTERNAL delegate created.\n" + _TAIL_2024,
    "INFO: Created TensorFlow Lite delegate for Hexagon.\n"
    "INFO: Hexagon delegate: 49 nodes delegated out of 49 nodes.\n",
)
WITH_A_COMMA = (  # as the Core ML delegate writes it
    _HEAD_2024 + "INFO: EXTERNAL delegate created.\n" + _TAIL_2024,
    "INFO: VendorDelegate delegate: 47 nodes delegated out of 49 nodes, with 2 partitions.\n\n",
)
QNN_NOTHING = (
    _HEAD_2024 + "INFO: EXTERNAL delegate created.\n" + _TAIL_2024,
    "INFO: TfLiteQnnDelegate delegate: 0 nodes delegated out of 49 nodes with 0 partitions.\n",
)
QNN = (
    _HEAD_2024 + "INFO: EXTERNAL delegate created.\n"
    "INFO: Explicitly applied EXTERNAL delegate, and the model graph will be completely executed by the delegate.\n"
    + _TAIL_2024,
    "INFO: TfLiteQnnDelegate delegate: 49 nodes delegated out of 49 nodes with 1 partitions.\n\n"
    + _replaced(49, "TfLiteQnnDelegate", 1),
)
DYNAMIC = (_HEAD_2024 + "INFO: Input shapes: [1,1,1,1]\n" + _TAIL_2024, _replaced(49, "TfLiteXNNPackDelegate", 1))
OTHER_MODEL = (
    CPU[0].replace("size (MB): 0.056784", "size (MB): 0.056999"),
    CPU[1],
)
FAILED_INVOKE = (
    CPU[0],
    CPU[1] + "ERROR: Node number 3 (TfLiteXNNPackDelegate) failed to invoke.\nBenchmarking failed.\n",
)
NO_MODEL = (
    _HEAD_2024,
    "ERROR: Could not open 'model.tflite'.\nERROR: Failed to mmap model\nERROR: Benchmarking failed.\n",
)

LITERT = (
    """\
INFO: [benchmark_litert_model.cc:140] Loading model from: /data/local/tmp/x/model.tflite
INFO: The input model file size (MB): 0.056784
INFO: Initialized session in 5.757ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 60 seconds.
INFO: count=526 first=2125 curr=969 min=910 max=2125 avg=949.861 std=68 p5=915 median=939 p95=990

INFO: Running benchmark for at least 20 iterations and at least 0 seconds but terminate if exceeding 60 seconds.
INFO: count=20 first=1015 curr=942 min=910 max=1102 avg=947.132 std=23 p5=915 median=942 p95=991

INFO: [benchmark_litert_model.h:72]\x20
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:73] Model initialization: 5.76 ms
INFO: [benchmark_litert_model.h:75] Warmup (first):       2.12 ms
INFO: [benchmark_litert_model.h:77] Warmup (avg):         0.95 ms (526 runs)
INFO: [benchmark_litert_model.h:79] Inference (avg):      0.95 ms (20 runs)
INFO: [benchmark_litert_model.h:83] Inference (min):      0.91 ms
INFO: [benchmark_litert_model.h:85] Inference (max):      1.10 ms
INFO: [benchmark_litert_model.h:87] Inference (std):      0.02
INFO: [benchmark_litert_model.h:94] Throughput:           136.85 MB/s
INFO: [benchmark_litert_model.h:103]\x20
Memory Usage:
INFO: [benchmark_litert_model.h:105] Init footprint:       4.06 MB
INFO: [benchmark_litert_model.h:107] Overall footprint:    7.07 MB
INFO: [benchmark_litert_model.h:110] Peak memory:          9.25 MB
INFO: [benchmark_litert_model.h:117] ======================================

""",
    _replaced(49, "TfLiteXNNPackDelegate", 1),
)

LITERT_PROFILE = (  # without a line about the tables, and with a comma in an operator's name
    LITERT[0]
    + """\
INFO: [./litert/tools/benchmark_litert_model.h:179]\x20
============================== Run Order ==============================
\t                             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t  Convolution (NHWC, F32) IGEMM\t    3.100\t    3.000\t 75.000%\t 75.000%\t     0.000\t        1\tDelegate/1

Number of nodes executed: 3
============================== Summary by node type ==============================
\t                             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]
\t           Convolution (NHWC, F32) IGEMM\t        6\t     3.600\t    75.000%\t    75.000%\t     0.000\t        6
\t        LiteRT::Run[buffer registration]\t        1\t     1.200\t    25.000%\t   100.000%\t     0.000\t        1

Timings (microseconds): count=20 first=4801 curr=4779 min=4711 max=4951 avg=4795.35 std=55
Memory (bytes): count=0
3 nodes observed
""",
    LITERT[1],
)
PROFILE_TABLE = (
    CPU[0]
    + """\
INFO: Profiling Info for Benchmark Initialization:
============================== Summary by node type ==============================
\t             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]
\t         AllocateTensors\t        1\t     0.034\t   100.000%\t   100.000%\t     0.000\t        1

Timings (microseconds): count=1 curr=34
Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t                 CONV_2D\t    3.100\t    3.000\t 75.000%\t 75.000%\t     0.000\t        1\t[a;b]:0

Number of nodes executed: 3
============================== Summary by node type ==============================
\t             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]
\t                 CONV_2D\t        6\t     3.600\t    75.000%\t    75.000%\t     0.000\t        6
\t          DEPTH_TO_SPACE\t        1\t     1.200\t    25.000%\t   100.000%\t     0.000\t        1

Timings (microseconds): count=20 first=4801 curr=4779 min=4711 max=4951 avg=4795.35 std=55
Memory (bytes): count=0
3 nodes observed
""",
    CPU[1],
)
PROFILE_CSV = """\
Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
node type, first, avg_ms, %, cdf%, mem KB, times called, name
CONV_2D, 3.1, 3.0, 75%, 75%, 0, 1, [a, with, commas, in, its, name]:0
============================== Summary by node type ==============================
node type, count, avg_ms, avg %, cdf %, mem KB, times called
CONV_2D, 6, 3.6, 75%, 75%, 0, 6
DEPTH_TO_SPACE, 1, 1.2, 25%, 100%, 0, 1

Timings (microseconds): count=20 first=4801 curr=4779 min=4711 max=4951 avg=4795.35 std=55
"""
PROFILE_CSV_COMMAS = PROFILE_CSV.replace("CONV_2D,", "Convolution (NHWC, F32) IGEMM,")
