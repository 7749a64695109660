"""The whole HTTP API, as its document says it is."""
