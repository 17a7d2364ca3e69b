"""From a plain network to ONNX and TFLite files that are measured and audited.

`__init__.pyi` lists the public names. Importing this package is light: each name loads its module when it is first
used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
