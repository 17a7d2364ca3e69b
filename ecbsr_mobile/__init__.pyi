from .architecture import Architecture as Architecture
from .checkpoint import load as load
from .checkpoint import save as save
from .errors import EcbsrError as EcbsrError
from .errors import UsageError as UsageError
from .evaluation import Score as Score
from .evaluation import evaluate as evaluate
from .images import Picture as Picture
from .network import ECBSR as ECBSR
from .network import PlainNet as PlainNet
from .tflite_model import TfliteModel as TfliteModel
from .training.loop import train as train
from .training.settings import Settings as Settings
from .upscaling import TorchModel as TorchModel
from .upscaling import upscale as upscale

__version__: str
