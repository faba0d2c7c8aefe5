"""The backend onnxruntime."""

from __future__ import annotations

import os

# from 1.32 on, the library writes an identifier of the device into the user's cache when it is imported, and sends events
# to its makers; it reads this variable then
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
