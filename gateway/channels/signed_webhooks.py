"""The signing secret of incoming webhooks, which several providers have alike."""

from gateway.channels.secret_param import Secret
from gateway.domain.params import Param, Text

MAX_SECRET_LENGTH = 100


def signing_secret(provider: str) -> dict[str, Param]:
    """Return the field with the secret that verifies a provider's requests."""
    return {
        "webhook_signing_secret": Secret(
            required=True,
            value=Text(required=True, max_length=MAX_SECRET_LENGTH),
            description=f"The secret that verifies the requests of {provider}.",
        )
    }
