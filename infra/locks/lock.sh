#!/bin/sh
# Writes both locks anew from pyproject.toml: every version pinned, every file hashed, no index named.
set -eu
cd "$(dirname "$0")/../.."
compile() {
    out=$1; shift
    CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@" --output-file "infra/locks/$out" pyproject.toml
}
compile dev.lock --extra functions --extra capture --extra embedded --extra cli --extra demo --extra build --extra dev
compile run.lock --extra functions --extra capture --extra embedded --extra cli --extra demo --extra build \
    --constraint infra/locks/dev.lock
