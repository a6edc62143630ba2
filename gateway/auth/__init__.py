"""Authentication: the credentials of a request are verified and become a principal.

credentials    credentials in headers; API secrets and user HMACs
tokens         user tokens and project tokens (JWT)
jwks           the public keys with which a project's backend signs user tokens
authenticator  a request's credentials → `UserPrincipal` or `ProjectPrincipal`
workspaces     workspace tokens → `Workspace`

Refused credentials raise `gateway.domain.errors.ApiError`; the package has no exceptions of its own.
"""
