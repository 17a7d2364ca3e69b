from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.paths import ROOT


@pytest.fixture(scope="session", autouse=True)
def _scripts_can_be_imported() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks" / "arm64")
        patch.syspath_prepend(ROOT / "benchmarks")
        yield
