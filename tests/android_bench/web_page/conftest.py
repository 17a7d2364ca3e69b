"""LiteRT.js, and the page with small models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from android_bench.web_page import litert_js
from android_bench.web_page.site import write_site
from ecbsr_mobile import zoo
from ecbsr_mobile.errors import EcbsrError
from tests.helpers.shared import made_once

MODELS = {
    "luma int8": zoo.tflite("ecbsr-m4c8-x2"),
    "luma fp32": zoo.tflite("ecbsr-m4c8-x2", "fp32"),
    "rgb int8": zoo.tflite("ecbsr-m4c16-rgb-x3"),
}


@pytest.fixture(scope="session")
def litert_files() -> dict[str, bytes]:
    """The files of LiteRT.js; skips the test where they are neither in the cache nor to be fetched."""
    try:
        return litert_js.files(None, lambda line: None)
    except EcbsrError as error:
        pytest.skip(f"LiteRT.js is not there: {error}")


@pytest.fixture(scope="session")
def site(litert_files: dict[str, bytes]) -> Path:
    """A page with `MODELS`."""
    return made_once("web-page", lambda path: write_site(path, list(MODELS.values())))


@pytest.fixture(scope="session")
def gpu_browser(chromium: Callable[..., Any]) -> Any:
    """Chromium with a GPU in software, and a camera that shows a moving pattern."""
    gpu = ("enable-unsafe-webgpu", "use-webgpu-adapter=swiftshader", "enable-features=Vulkan", "use-vulkan=swiftshader")
    return chromium(*gpu, "use-fake-device-for-media-stream", "use-fake-ui-for-media-stream")
