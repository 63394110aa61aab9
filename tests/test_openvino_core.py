"""OpenVINO is imported without what reports to its maker."""

import subprocess
import sys

NETWORK_FREE = """
import socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("something opened a socket")
socket.socket.connect = socket.getaddrinfo = refuse
from unmask.faces.detect import FaceDetector
import numpy as np
FaceDetector().detect([np.zeros((64, 64, 3), np.uint8)])
unwanted = ("openvino_telemetry", "openvino.tools", "mtcnn", "torch")
loaded = sorted(name for name in sys.modules if name.startswith(unwanted))
assert not loaded, loaded
import openvino
print(openvino.Core().available_devices)
"""


def test_detection_loads_neither_telemetry_nor_the_mtcnn_package_nor_torch(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", NETWORK_FREE],
        capture_output=True,
        text=True,
        check=False,
        env={"UNMASK_CACHE": str(tmp_path), "HOME": str(tmp_path), "PATH": ""},
    )
    assert run.returncode == 0, run.stderr
    assert "CPU" in run.stdout
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"mtcnn-pnet.npz"}, "only the weights' plain copy is written, on demand"
