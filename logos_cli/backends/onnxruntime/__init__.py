"""The backend onnxruntime."""
