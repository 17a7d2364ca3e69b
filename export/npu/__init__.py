"""Compile models with a vendor's NPU compiler on this machine, and run the result in the vendor's emulator.

`runner.compile_models` is the entry point. The vendor's programs run in processes of their own, and whatever they do
(crash, hang, print nonsense) becomes a status. Their figures are static estimates: none is a measured time.
"""
