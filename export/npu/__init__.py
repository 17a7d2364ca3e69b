"""A vendor's own NPU compiler, asked on this machine what it makes of a model; and its emulation of the result.

`check` has the one call. Whatever the vendor's programs do (crash, hang, print nonsense) becomes a status:
each runs in a process of its own. What they say is static: none of it is a time.
"""
