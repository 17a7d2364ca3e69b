"""Images: files, BT.601 luma and chroma, MATLAB-compatible bicubic, and windows of images.

Arrays are [H, W, C] in RGB order, or [H, W] for a single plane. Color conversion works on float values in 0..255.
"""

from .bicubic import downscale as downscale
from .bicubic import resize_bicubic as resize_bicubic
from .color import RGB_TO_YCBCR as RGB_TO_YCBCR
from .color import chroma as chroma
from .color import luma as luma
from .color import round_to as round_to
from .color import ycbcr_to_rgb as ycbcr_to_rgb
from .folders import READABLE as READABLE
from .folders import find as find
from .folders import find_below as find_below
from .folders import folders_below as folders_below
from .jpeg_quality import jpeg_quality as jpeg_quality
from .opening import MAX_PIXELS as MAX_PIXELS
from .picture import Picture as Picture
from .reading import header_size as header_size
from .reading import read as read
from .transparency import SPREAD as SPREAD
from .transparency import filled as filled
from .windows import center_crop as center_crop
from .windows import crop_to_multiple as crop_to_multiple
from .windows import detail as detail
from .windows import most_detailed_corner as most_detailed_corner
from .windows import most_detailed_crop as most_detailed_crop
from .windows import pad_to_size as pad_to_size
from .windows import tiles as tiles
from .writing import check_format as check_format
from .writing import open_writer as open_writer
from .writing import write as write
