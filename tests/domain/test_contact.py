import pytest

from gateway.domain.contact import contact_fault


@pytest.mark.parametrize(
    "text", ["mailto:ops@example.com", "https://example.com", "https://inbox.example.com:8443/path"]
)
def test_an_address_with_a_public_host_is_a_contact(text: str) -> None:
    assert contact_fault(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ops@example.com",
        "http://example.com",
        "mailto:example.com",
        "mailto:@example.com",
        "mailto:ops@",
        "mailto:ops@localhost",
        "mailto:ops@mail.local",
        "mailto:ops@mail.invalid",
        "https://localhost",
        "https://127.0.0.1",
        "https://push.test",
        "https://[::1",
        "https://exämple.com",
        "https://example.com/a b",
        "https://example.com/" + "a" * 255,
        "ftp://example.com",
    ],
)
def test_an_address_that_push_services_cannot_reach_is_refused(text: str) -> None:
    """Complaint of web-push-libs/web-push#947: only Apple refuses it, and only when the first message is sent."""
    assert contact_fault(text)
