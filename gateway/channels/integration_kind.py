"""The declaration of an integration: what a project saves to use a provider."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.channels.secret_param import REDACTED, secret_paths, with_secrets, without_secrets
from gateway.domain.objects import Array, Object
from gateway.domain.params import Param

Check = Callable[[Mapping[str, Any], list[str]], None]
"""Checks a complete configuration, and adds a message for each fault that concerns more than one field."""


def no_check(config: Mapping[str, Any], problems: list[str]) -> None:
    """Check nothing: no field depends on another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationKind:
    """One kind of integration, such as APNs.

    - `name` is its place in the API: `/integrations/{name}`. What is stored names it too, so it never changes.
    - `title` is its name in documentation.
    - `config` are the fields of its configuration; those that are `Secret` are encrypted at rest. `config.name` is the
      name of its component in OpenAPI.
    - `example` is a configuration.
    - `check` is for faults that concern more than one field.
    - `nullable` are the fields that a response always has, null where they are absent.
    - `destination` are the fields that say where secrets are sent. If one of them changes, no secret is kept: whoever
      may change the configuration, but does not know the secrets, must not have them sent to another host.
    """

    name: str
    title: str
    config: Object
    example: Mapping[str, Any]
    check: Check = no_check
    nullable: tuple[str, ...] = ()
    destination: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(init=False)
    """The paths of the secrets."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "secrets", tuple(secret_paths(self.config.fields)))

    def complete(self, sent: Mapping[str, Any], saved: Mapping[str, Any] | None, problems: list[str]) -> dict[str, Any]:
        """Return a sent configuration, without absent fields and with the saved secrets in place of redacted ones.

        Add a message for each fault. `saved` is the present configuration, None if there is none.
        """
        plain, secrets = without_secrets(_present(sent, self.config), self.secrets)
        _, kept = without_secrets(saved or {}, self.secrets)
        moved = [name for name in self.destination if saved is not None and saved.get(name) != plain.get(name)]
        for path in [path for path, value in secrets.items() if value == REDACTED]:
            if path not in kept:
                problems.append(f"Param '{path}' is redacted, and there is no saved value to keep")
            elif moved:
                problems.append(f"Param '{path}' must be sent again, because '{moved[0]}' has changed")
            else:
                secrets[path] = kept[path]
        found = with_secrets(plain, secrets)
        if not problems:
            self.check(found, problems)
        return found

    def shown(self, plain: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        """Return a configuration as responses have it. `plain` has no secrets, and `names` are the paths of them."""
        redacted = with_secrets(plain, dict.fromkeys(names, REDACTED))
        return {**dict.fromkeys(self.nullable), **redacted}


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationKind(IntegrationKind):
    """What a user sets up of an integration.

    `name` is that of the integration. A user has one installation for each combination of values of the fields in
    `identity`, and one in all if there are none. `derive` adds fields that follow from others.
    """

    identity: tuple[str, ...] = ()
    derive: Callable[[dict[str, Any]], None] = lambda values: None

    def place(self, values: Mapping[str, Any]) -> str:
        """Return the name under which the store has the installation with these values."""
        return " ".join([self.name, *(str(values.get(name) or "") for name in self.identity)])


def _present(values: Mapping[str, Any], config: Object) -> dict[str, Any]:
    """Return the values without absent fields, at every level of declared objects. A free object stays as it is."""
    if not config.fields:
        return dict(values)
    return {name: _without_absent(value, config.fields[name]) for name, value in values.items() if value is not None}


def _without_absent(value: Any, param: Param) -> Any:
    if isinstance(param, Object):
        return _present(value, param)
    if isinstance(param, Array):
        return [_without_absent(item, param.item) for item in value]
    return value
