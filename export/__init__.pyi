from .options import ExportOptions as ExportOptions
from .pipeline import export as export
from .results import Exported as Exported
from .results import ExportedFile as ExportedFile
from .tflite import Graph as Graph
from .tflite import at_size as at_size
from .tflite import read as read
from .tflite import write as write
