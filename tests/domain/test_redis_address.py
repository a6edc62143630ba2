"""The check of Redis addresses, whose messages contain no password."""

import pytest

from gateway.domain.redis_address import described, redis_address_fault

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    "address",
    [
        "redis://h",
        "redis://h:6379/0",
        "redis://h:6379/15/",
        "redis://:p%40ss%2Fword@h:1",
        "redis://joe:a:b=c&d!@h?db=3&client_name=inbox",
        "redis://[::1]:6379",
        "redis://[fe80::1%25eth0]",
        "rediss://h?ssl_cert_reqs=none&ssl_check_hostname=False&ssl_ca_certs=/etc/ca.pem",
        "unix:///run/redis.sock",
        "unix:///run/a@b.sock?db=1",
        "unix://joe:pw@/run/redis.sock",
        "redis+cluster://a:1,b,[::1]:7000",
        "redis+cluster://a/0",
        "rediss+sentinel://:pw@a:1,b:2/service?db=2",
    ],
)
def test_a_valid_redis_address_has_no_fault(address: str) -> None:
    assert redis_address_fault(address) == ""


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "must start with redis://"),
        ("h:6379", "must start with redis://"),
        (f"http://:{PASSWORD}@h", "must start with redis://"),
        ("REDIS://h", "must start with redis://"),
        ("redis://h\n", "must not contain spaces"),
        (f"redis://:{PASSWORD} @h", "must not contain spaces"),
        (f"redis://:{PASSWORD}/x@h", "has a character in its password"),
        (f"redis://:{PASSWORD}#x@h", "has a character in its password"),
        (f"redis://:{PASSWORD}?x@h", "has a character in its password"),
        (f"redis://:{PASSWORD}@x@h", "has a character in its password"),
        (f"redis://:{PASSWORD}[@h", "has a character in its password"),
        (f"redis://:h:{PASSWORD}#", "cannot be read as an address"),
        (f"redis://{PASSWORD}\u2100@h", "cannot be read as an address"),
        ("redis://", "must name a host"),
        ("redis://:6379", "must name a host before the port"),
        (f"redis://h:{PASSWORD}", "must have a port from 1 to 65535"),
        ("redis://h:", "must have a port from 1 to 65535"),
        ("redis://h:0", "must have a port from 1 to 65535"),
        ("redis://h:65536", "must have a port from 1 to 65535"),
        ("redis://h:²", "must have a port from 1 to 65535"),
        ("redis://[::1]:x", "must have a port from 1 to 65535"),
        ("redis://[::1]6379", "must name a host as"),
        ("redis://a:1,b:2", "names several hosts"),
        ("redis+cluster://a:1,,b:2", "must name a host before the port"),
        ("redis://h/first", "must name the database by its number"),
        ("redis://h/-1", "must name the database by its number"),
        ("redis://h?db=first", "must have a whole number as the option db"),
        ("redis+cluster://h/1", "must not name a database"),
        ("redis+cluster://h?db=1", "must not name a database"),
        ("redis+sentinel://a:1", "must name the service"),
        ("redis+sentinel://a:1/", "must name the service"),
        ("redis+sentinel://a:1/x/0", "must name the service"),
        ("redis://h?protocol=3", "has an option that is not one of db"),
        ("redis://h?tls", "has an option that is not one of db"),
        ("redis://h?ssl_ca_certs=/etc/ca.pem", "has the option ssl_ca_certs, which needs TLS"),
        ("rediss://h?ssl_cert_reqs=maybe", "must have one of none, optional, required"),
        ("unix://run/redis.sock", "must have three slashes"),
        ("unix://", "must name the path"),
        ("unix:///", "must name the path"),
        ("unix:///run/redis.sock?ssl_cert_reqs=none", "has the option ssl_cert_reqs, which needs TLS"),
    ],
)
def test_an_invalid_redis_address_is_refused_with_the_reason(address: str, reason: str) -> None:
    fault = redis_address_fault(address)
    assert fault.startswith(reason)
    assert PASSWORD not in fault


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (f"redis://joe:{PASSWORD}@h:6379/0", "redis://h:6379/0"),
        (f"redis://h?password={PASSWORD}", "redis://h"),
        (f"rediss+sentinel://:{PASSWORD}@a:1,b:2/service?db=2", "rediss+sentinel://a:1,b:2/service"),
        ("unix:///run/a@b.sock", "unix:///run/a@b.sock"),
        ("redis://h", "redis://h"),
    ],
)
def test_an_address_is_shown_without_its_credentials(address: str, shown: str) -> None:
    assert described(address) == shown
