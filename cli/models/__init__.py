"""The models of the repository: `gtvision models fetch | check | build | import | list`."""

from cli.models.commands import app
from cli.models.fetch import fetch_models

__all__ = ["app", "fetch_models"]
