"""FCM, the push service of Android: what is registered and configured. `fcm_push.py` sends."""

from gateway.channels.apns import ENVIRONMENT, MAX_DEVICE_TOKEN
from gateway.channels.example_keys import RSA_PRIVATE_KEY
from gateway.channels.integration_kind import IntegrationKind
from gateway.channels.key_params import MAX_PEM_LENGTH, RsaPrivateKey
from gateway.channels.secret_param import Secret
from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import Choice, FormedText, OutboundUrl, Text

TOKEN = TokenKind(
    path="mobile_push/fcm",
    title="FCM",
    component="Fcm",
    fields={
        "device_token": FormedText(
            required=True, min_length=64, max_length=MAX_DEVICE_TOKEN, description="The registration token of the app."
        ),
        "installation_id": ENVIRONMENT,
    },
    identities=(("device_token",),),
    example={"device_token": "eXaMpLe0" * 18, "installation_id": "production"},
)


_ADDRESS = Text(required=True, max_length=2048)
_NAME = Text(required=True, max_length=255)

INTEGRATION = IntegrationKind(
    name="fcm",
    title="FCM",
    config=Object(
        required=True,
        name="FcmConfig",
        description="The JSON file of a service account, which Google Cloud creates.",
        fields={
            "auth_provider_x509_cert_url": _ADDRESS,
            "auth_uri": _ADDRESS,
            "client_email": Text(required=True, max_length=255, email=True),
            "client_id": _NAME,
            "client_x509_cert_url": _ADDRESS,
            "private_key": Secret(
                required=True,
                value=RsaPrivateKey(
                    required=True,
                    max_length=MAX_PEM_LENGTH,
                    pattern=r"-+\s?BEGIN[A-Z ]+-+\r?\n[A-Za-z0-9+/\r\n]+={0,2}\r?\n-+\s?END[A-Z ]+-+\s*",
                    form="a private key in PEM",
                ),
            ),
            "private_key_id": _NAME,
            "project_id": _NAME,
            "token_uri": OutboundUrl(required=True, description="Where access tokens are requested."),
            "type": Choice(required=True, options=("service_account",)),
            "universe_domain": _NAME,
        },
    ),
    example={
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "client_email": "push@example.iam.gserviceaccount.com",
        "client_id": "100000000000000000000",
        "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/push%40example",
        "private_key": RSA_PRIVATE_KEY,
        "private_key_id": "0123456789abcdef",
        "project_id": "example",
        "token_uri": "https://oauth2.googleapis.com/token",
        "type": "service_account",
        "universe_domain": "googleapis.com",
    },
    destination=("token_uri",),
)
