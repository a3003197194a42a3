"""The web app: one module a part of the page. Only here is gradio imported; a page starts runs and reads their folders."""

import os

os.environ.setdefault(
    "GRADIO_ANALYTICS_ENABLED", "False"
)  # nothing is sent anywhere, and the page works without a network
