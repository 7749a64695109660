"""`python oidc_server.py PORT`: the OpenID provider of `oidc-provider-mock`, made to insist on PKCE (RFC 7636).

A process of its own, since what it is made of warns of deprecations that our tests take for errors.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")


def main(port: int) -> None:
    import flask
    import oidc_provider_mock
    from authlib.oauth2.rfc7636 import CodeChallenge
    from oidc_provider_mock import _app
    from werkzeug.serving import make_server

    challenges: dict[str, Any] = {}

    class Grant(_app.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

        def save_authorization_code(self, code: str, request: Any) -> None:
            challenges[code] = flask.request.args.get("code_challenge")
            super().save_authorization_code(code, request)

    class Pkce(CodeChallenge):  # type: ignore[misc]
        def get_authorization_code_challenge(self, authorization_code: Any) -> Any:
            return challenges[authorization_code.code]

        def get_authorization_code_challenge_method(self, authorization_code: Any) -> str:
            return "S256"

    class Server(_app.flask_oauth2.AuthorizationServer):  # type: ignore[misc]
        def register_grant(self, grant: Any, extensions: Any = None) -> None:
            mine = grant is _app.AuthorizationCodeGrant
            super().register_grant(Grant if mine else grant, [*extensions, Pkce(required=True)] if mine else extensions)

    _app.flask_oauth2.AuthorizationServer = Server
    app = oidc_provider_mock.app(require_client_registration=True, require_nonce=True)
    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
