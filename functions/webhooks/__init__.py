"""Events handed on to other systems, signed, with retries."""
