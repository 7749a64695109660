"""The kernel: what rooms have in common. It knows no room."""
