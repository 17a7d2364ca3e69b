"""ECBSR: super-resolution networks for phones, their weights, images, training and evaluation.

`__init__.pyi` lists the public names. Importing this package imports none of PyTorch, NumPy or OpenCV: each name
loads its module when it is first used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
