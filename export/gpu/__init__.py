"""Query ML Drift, LiteRT's GPU delegate of phones, on this machine: what it takes, why not the rest, what it computes.

`runner.query_models` is the entry point. The delegate runs in processes of its own, through the WebGPU accelerator of
ai-edge-litert, which needs a Vulkan device; a software one is enough. Whatever it does (crash, hang, refuse) becomes a
status. No figure of a software device is a time.
"""
