"""The register of cameras: what is pulled, how, and how it fares."""
