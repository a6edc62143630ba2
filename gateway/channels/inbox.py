"""The in-app inbox: tokens with which its live connection is opened."""

from gateway.channels.token_kind import TokenKind
from gateway.domain.params import FormedText, Text

TOKEN = TokenKind(
    path="in_app/inbox",
    title="inbox",
    component="Inbox",
    fields={
        "token": FormedText(
            required=True,
            min_length=64,
            max_length=1024,
            pattern=r"[!-\-/-~]*(\.[!-\-/-~]*)?",  # a JWT has two dots, and is verified as a JWT
            form="printable ASCII without spaces and with at most one dot",
            description="A random text that your client has generated. It opens live connections of the user. It is "
            "not stored, only a digest of it, and responses show its last four characters.",
        ),
        "connection_id": Text(max_length=255, description="Your client's name for its connection."),
    },
    identities=(("token",),),
    example={"token": "nMZ3kQ7TsVb2Rw9YxLd5" * 4, "connection_id": "tab-1"},
    credential="token",
)
