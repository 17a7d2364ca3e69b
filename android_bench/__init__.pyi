from .phone.adb_server import phones as phones
from .report.page import html as html
from .results.baseline import compare as compare
from .results.types import Results as Results
from .results.types import Row as Row
from .session import bench as bench
from .session import resume as resume
