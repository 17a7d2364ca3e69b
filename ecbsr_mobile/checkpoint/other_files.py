"""Files that are taken for weights and are something else, recognized by their first bytes."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

MAX_UNPACKED = 2**28
"""What the compressed parts of an archive may unpack to beyond the size of the file, in bytes."""

_SAVE = "load it with the program that made it and save the model's state_dict() with torch.save"
_EXPORT_FROM = "give the weights that it was made from (.pth, .safetensors)"
_MERGE = "load all of its parts and save one state_dict() with torch.save"
_DOWNLOAD = "download the file itself"

# What the first bytes say, at an offset.
_MAGIC = (
    (0, b"\x89HDF", f"is a Keras or HDF5 file; {_SAVE}"),
    (4, b"TFL3", f"is a TFLite model; {_EXPORT_FROM}"),
    (4, b"ET1", f"is an ExecuTorch model; {_EXPORT_FROM}"),
    (0, b"GGUF", f"is a GGUF file; {_SAVE}"),
    (0, b"\x93NUMPY", f"is a NumPy array; {_SAVE}"),
    (0, b"version https://git-lfs", f"is a Git LFS pointer, not the weights; {_DOWNLOAD} (git lfs pull)"),
    (0, b"7767517", f"is an ncnn model; {_EXPORT_FROM}"),
    (0, b"\x1f\x8b", "is a gzip archive; unpack it and give the weights in it"),
    (0, b"BZh", "is a bzip2 archive; unpack it and give the weights in it"),
    (0, b"\xfd7zXZ", "is an xz archive; unpack it and give the weights in it"),
    (0, b"\x28\xb5\x2f\xfd", "is a zstd archive; unpack it and give the weights in it"),
    (0, b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it and give the weights in it"),
    (0, b"Rar!", "is a rar archive; unpack it and give the weights in it"),
    (0, b"\x89PNG", "is an image, not a weights file; give a .pth or .safetensors"),
    (0, b"\xff\xd8\xff", "is an image, not a weights file; give a .pth or .safetensors"),
    (0, b"%PDF", "is a PDF document, not a weights file; give a .pth or .safetensors"),
)
_SHARD = re.compile(r"-\d{5}-of-(?!0000[01]\b)\d{5}\.")
_SUFFIXES = {
    ".onnx": f"is an ONNX model; {_EXPORT_FROM}",
    ".pb": f"is a TensorFlow graph; {_EXPORT_FROM}",
    ".index": f"belongs to a TensorFlow checkpoint; {_SAVE}",
    ".npz": f"holds NumPy arrays; {_SAVE}",
    ".keras": f"is a Keras model; {_SAVE}",
}


def problem(path: Path, header: bytes, size: int) -> str:
    """What a file is, with what to do, if it is not one that holds weights; else an empty string.

    Args:
        path: the file; of its name count "-00001-of-00002", and the suffix where the content has no mark of its own.
        header: its first bytes, about 1,000.
        size: its size in bytes.
    """
    by_magic = (message for offset, magic, message in _MAGIC if header[offset:].startswith(magic))
    by_suffix = _SUFFIXES.get(path.suffix.lower(), "")
    if not size:
        found = "is empty; download or copy it again"
    elif _SHARD.search(path.name):
        found = f"is one of several parts of a network; {_MERGE}"
    elif is_safetensors(header):
        truncated = int.from_bytes(header[:8], "little") > size - 8
        found = "is a truncated .safetensors file; download or copy it again" if truncated else ""
    elif header.startswith((b"PK", b"\x80")):
        found = ""
    else:
        found = next(by_magic, "") or by_suffix or _of_text(header) or _of_bytes(header)
    return found


def _of_text(header: bytes) -> str:
    start = header.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    printable = sum(byte in b"\t\n\r" or 32 <= byte < 127 for byte in header)
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head", b"<!--", b'{"error', b'{"message')):
        return f"is a web page, probably an error message, not the weights; {_DOWNLOAD}"
    if b"/annex/objects/" in header[:300]:
        return f"is a git-annex pointer, not the weights; {_DOWNLOAD} (git annex get)"
    if b'"weight_map"' in header:
        return f"is the index of a network in several parts, not the weights; {_MERGE}"
    return f"is a text file, not the weights; {_DOWNLOAD}" if printable > 0.97 * len(header) else ""


def _of_bytes(header: bytes) -> str:
    if header[257:262] == b"ustar":
        if header.split(b"\0")[0] in (b"sys_info", b"pickle", b"tensors", b"storages"):
            return "is a checkpoint of PyTorch before 0.2 (tar); load it with PyTorch 1 and save its state_dict() again"
        return "is a tar archive; unpack it and give the weights in it"
    # ONNX: the IR version, then the producer's name, domain, model version or an opset.
    if header[0] == 8 and header[1:2] < b" " and header[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x28", b"\x3a", b"\x42"):
        return _SUFFIXES[".onnx"]
    return "" if any(header) else "begins with zeros: it was not downloaded or copied completely; do it again"


def problem_of_zip(archive: zipfile.ZipFile, size: int) -> str:
    """What a zip archive of `size` bytes is, with what to do, if PyTorch's `save` did not write it; else empty."""
    members = archive.infolist()
    names = [info.filename for info in members]
    unpacked = sum(info.file_size for info in members)
    if other := _other_zip(names):
        return other
    if len(set(names)) < len(names):
        return "holds several files of the same name; it is damaged or made to mislead: use another copy"
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in members):
        return "is compressed in a way that torch.save does not use; save the state_dict() again"
    if unpacked > size + MAX_UNPACKED:
        return f"unpacks from {size / 2**20:.1f} to {unpacked / 2**20:,.0f} MB, as no weights do; use another copy"
    return ""


def _other_zip(names: list[str]) -> str:
    """What an archive with files of these names is, if it is none of `torch.save`."""
    leaves = {name.partition("/")[2] for name in names}
    at_top = [name for name in names if name == "data.pkl" or (name.count("/") == 1 and name.endswith("/data.pkl"))]
    if "constants.pkl" in leaves or any(leaf.startswith("code/") for leaf in leaves):
        found = "is a TorchScript archive; load it with torch.jit.load and save its state_dict() with torch.save"
    elif leaves & {"models/model.json", "archive_format"}:
        found = f"is a program of torch.export (.pt2); {_EXPORT_FROM}"
    elif {"config.json", "model.weights.h5"} & set(names):
        found = _SUFFIXES[".keras"]
    elif names and all(name.endswith(".npy") for name in names):
        found = _SUFFIXES[".npz"]
    elif not at_top:
        found = "is a zip archive that torch.save did not write; unpack it and give the weights in it"
    else:
        found = "holds several pickles; use another copy" if len(set(at_top)) > 1 else ""
    return found


def is_safetensors(header: bytes) -> bool:
    """Whether a file begins like one of safetensors: the length of a JSON object, and its brace."""
    return header[8:9] == b"{" and int.from_bytes(header[:8], "little") < 2**40
