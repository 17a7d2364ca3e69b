"""PNG (third edition, 2025): checks of a file, and a writer that takes an image in strips of rows."""

from __future__ import annotations

import struct
import zlib
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels: gray, gray and alpha, RGB, RGB and alpha
_BLOCK = 1 << 20  # bytes that are filtered at once
_LEVEL = 4  # of zlib: a third of the time of the default, and 2 % larger files
_SRGB_GAMMA = 45455
_SRGB = bytes((1, 13, 0, 1))  # as cICP writes it, with the code points of ITU-T H.273


def scan(file: IO[bytes]) -> tuple[list[str], bytes | None]:
    """Notes on the chunks of a file (wrong checksums, color information that gets lost), and its EXIF."""
    notes, seen, exif = [], dict[bytes, bytes](), None
    file.seek(len(_SIGNATURE))
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        checksum = zlib.crc32(kind)
        small = b""
        while length and (part := file.read(min(length, _BLOCK))):
            small = part if len(part) <= 65536 else b""
            checksum, length = zlib.crc32(part, checksum), length - len(part)
        if file.read(4) != checksum.to_bytes(4, "big") and kind in (b"IHDR", b"PLTE", b"IDAT", b"tRNS"):
            notes.append("is damaged, and parts of it may be wrong (a checksum of its pixels differs)")
            break
        if kind == b"eXIf":
            exif = small
        seen[kind] = small
        if kind == b"IEND":
            break
    has_profile = b"iCCP" in seen or b"sRGB" in seen
    other = seen[b"cICP"] != _SRGB if b"cICP" in seen else not has_profile and _other_gamma(seen.get(b"gAMA", b""))
    if other:
        notes.append("its color information (cICP or gAMA) is not kept; convert it to sRGB for true colors")
    return notes, exif


def _other_gamma(chunk: bytes) -> bool:
    return len(chunk) == 4 and abs(int.from_bytes(chunk, "big") - _SRGB_GAMMA) > 100


class Writer:
    """Writes a PNG of 8 or 16 bits per channel to a file, in strips from top to bottom, in little memory."""

    def __init__(
        self,
        file: IO[bytes],
        size: tuple[int, int],
        channels: int,
        dtype: np.dtype[np.unsignedinteger],
        icc: bytes | None = None,
        exif: bytes | None = None,
    ) -> None:
        """Write everything before the pixels; `channels` is 1 (gray), 2 (with alpha), 3 (RGB) or 4 (with alpha)."""
        self._file, self._step, self._dtype = file, channels * dtype.itemsize, dtype.newbyteorder(">")
        self._above = np.zeros((1, size[0] * self._step), np.uint8)
        self._deflate = zlib.compressobj(_LEVEL, strategy=zlib.Z_FILTERED)
        file.write(_SIGNATURE)
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8 * dtype.itemsize, _COLOR_TYPES[channels], 0, 0, 0))
        if icc:
            self._chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
        if exif:
            self._chunk(b"eXIf", exif)

    def add(self, strip: NDArray[np.unsignedinteger]) -> None:
        """Write the next rows [h, W, channels]."""
        rows = max(1, _BLOCK // self._above.size)
        for top in range(0, len(strip), rows):
            block = np.ascontiguousarray(strip[top : top + rows], self._dtype)
            data = self._deflate.compress(self._filtered(block.view(np.uint8).reshape(len(block), -1)))
            if data:
                self._chunk(b"IDAT", data)

    def close(self) -> None:
        """Write the end of the file."""
        self._chunk(b"IDAT", self._deflate.flush())
        self._chunk(b"IEND", b"")

    def _filtered(self, raw: NDArray[np.uint8]) -> bytes:
        """The rows, each by the filter that leaves the smallest values (section 12.7), behind the filter's number."""
        above = np.vstack([self._above, raw[:-1]])
        self._above = raw[-1:].copy()
        left, corner = (np.pad(rows, ((0, 0), (self._step, 0)))[:, : -self._step] for rows in (raw, above))
        candidates = {0: raw, 1: raw - left, 2: raw - above, 4: raw - _paeth(left, above, corner)}
        costs = [np.abs(c.view(np.int8).astype(np.int16)).sum(axis=1, dtype=np.int64) for c in candidates.values()]
        best = np.argmin(costs, axis=0)
        result = np.empty((len(raw), raw.shape[1] + 1), np.uint8)
        for index, (number, candidate) in enumerate(candidates.items()):
            chosen = best == index
            result[chosen, 0], result[chosen, 1:] = number, candidate[chosen]
        return result.tobytes()

    def _chunk(self, kind: bytes, data: bytes) -> None:
        self._file.write(struct.pack(">I", len(data)) + kind + data + zlib.crc32(kind + data).to_bytes(4, "big"))


def _paeth(left: NDArray[np.uint8], above: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The neighbor that is nearest to left + above − corner (section 9.4)."""
    a, b, c = (plane.astype(np.int16) for plane in (left, above, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, above, corner))
