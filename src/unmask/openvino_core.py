"""OpenVINO without its telemetry: the one door through which unmask imports it.

`import openvino` alone reports to its maker's servers: it loads its model converter, whose
`__init__` sends an "import" event unless the user has opted out before. A scanner of confidential
material must not do that, so the converter and the telemetry package are hidden while openvino is
imported. What we use, `Core` and the operator sets, needs neither; the import takes 0.1 s instead
of 0.4 s. Stages and `pipeline/` share this module, hence its place beside `types`.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openvino

REPORTING_MODULES = ("openvino.tools.ovc", "openvino_telemetry")


def quietly() -> AbstractContextManager[None]:
    """A block in which OpenVINO's companions can be imported without their telemetry."""
    return _hidden(*REPORTING_MODULES)


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Make `import NAME` fail inside the block, for modules that are not loaded yet."""
    absent = [name for name in names if name not in sys.modules]
    masked: dict[str, Any] = dict.fromkeys(absent)
    sys.modules.update(masked)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@cache
def openvino_core() -> "openvino.Core":
    """The process's one OpenVINO core, imported quietly.

    Every `compile_model` on it must pass `INFERENCE_PRECISION_HINT`: OpenVINO picks bf16 by itself
    on CPUs that have it.
    """
    with quietly():
        import openvino
    return openvino.Core()


def cache_folder() -> Path:
    """Where unmask keeps what it can compute again: `$UNMASK_CACHE`, or the user's cache folder.

    Nothing is kept where it cannot be written, so UNMASK_CACHE=/dev/null turns it off.
    """
    import platformdirs

    chosen = os.environ.get("UNMASK_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_path("unmask"))
