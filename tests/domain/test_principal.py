"""Projects, identities and credentials, whose representations contain no secret."""

import pytest

from gateway.domain.ids import ProjectId
from gateway.domain.principal import Credentials, Identity, Project, normalize_email


def test_an_identity_needs_a_name() -> None:
    with pytest.raises(ValueError, match="external id or an email"):
        Identity()


def test_emails_are_compared_in_lower_case() -> None:
    assert normalize_email(" Joe@Example.COM ") == "joe@example.com"


def test_credentials_without_any_value_are_false() -> None:
    assert not Credentials()
    assert Credentials(hmac="x")


def test_the_representations_of_projects_and_credentials_contain_no_secret() -> None:
    credentials = Credentials("key1", "secret2", "id3", "mail4", "hmac5", "token6")
    assert repr(credentials) == "Credentials()"
    assert "hidden" not in repr(Project(ProjectId("p"), "n", "k", True, ("hidden",)))


def test_one_name_is_enough() -> None:
    assert Identity(email="joe@example.com").external_id is None
