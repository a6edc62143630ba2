"""The variables that Kubernetes and Docker set for services."""

import pytest

from gateway.domain.service_links import is_service_link, service_links


def test_the_service_links_of_an_environment_are_returned_in_order() -> None:
    environment = {"INBOX_SERVICE_HOST": "10.0.0.1", "INBOX_PORT": "tcp://10.0.0.1:1", "INBOX_HOST": "::", "PORT": "y"}
    assert service_links(environment, "INBOX_") == ["INBOX_PORT", "INBOX_SERVICE_HOST"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("NAME", "/app/inbox"), ("REDIS_NAME", "/my-app_1/inbox-redis"), ("REDIS_ENV_REDIS_VERSION", "7"), ("ENV_A", "")],
)
def test_what_docker_adds_for_a_linked_container_is_a_link(name: str, value: str) -> None:
    assert is_service_link(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "8000"),
        ("PORT", "tcp://h:8000"),
        ("PORT", "tcp://10.0.0.1:99999"),
        ("PORT", "tcp://joe@10.0.0.1:80"),
        ("SERVICE_PORT", "²"),
        ("PORT_80_TCP_PROTO", "icmp"),
        ("PORT_80_HTTP", "tcp://10.0.0.1:80"),
        ("SERVICEHOST", "10.0.0.1"),
        ("REDIS_NAME", "redis"),
        ("ENV_", "x"),
    ],
)
def test_a_variable_with_only_the_name_or_the_value_of_a_link_is_not_a_link(name: str, value: str) -> None:
    assert not is_service_link(name, value)
