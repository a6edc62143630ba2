"""What a saved configuration of templates may have."""

from typing import Any

import pytest

from gateway.channels import templates
from gateway.domain.params import Problems


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        ({}, []),
        (templates.INTEGRATION.example, []),
        ({"email": {"title": "x", "subject": "x", "content": "x", "action_url": "x", "categories": {}}}, []),
        ({"in_app": {}}, ["Param 'in_app' has no templates: inboxes show notifications as they were sent"]),
        ({"fax": {}}, ["Param 'fax' must be one of mobile_push, web_push, email, slack, sms, teams"]),
        ({"sms": "x"}, ["Param 'sms' must be a hash"]),
        ({"sms": {"categories": []}}, ["Param 'sms.categories' must be a hash"]),
        ({"sms": {"categories": {"a": 1}}}, ["Param 'sms.categories.a' must be a hash"]),
        (
            {"sms": {"subject": "x", "title": 5}},
            [
                "Param 'sms.subject' is not known; there are title, content, action_url, categories",
                "Param 'sms.title' must be a string",
            ],
        ),
        (
            {"sms": {"categories": {"a": {"html": "x"}}}},
            ["Param 'sms.categories.a.html' is not known; there are title, content, action_url"],
        ),
        (
            {"sms": {"title": "{{ project.nam }}", "categories": {"a": {"content": "\n{{"}}}},
            [
                "Param 'sms.title' is not a template: line 1: 'project.nam' is not known; do you mean 'project.name'?",
                "Param 'sms.categories.a.content' is not a template: line 2: '{{' is not closed by '}}'",
            ],
        ),
    ],
)
def test_a_fault_is_named_with_its_place(config: dict[str, Any], problems: list[str]) -> None:
    found = Problems()
    templates.INTEGRATION.complete(config, None, found)
    assert found == problems


def test_the_number_of_faults_is_bounded() -> None:
    numbers = [str(number) for number in range(100)]
    configs: tuple[dict[str, Any], ...] = (
        {key: {} for key in numbers},
        {"sms": dict.fromkeys(numbers, "x")},
        {"sms": {"categories": {key: {"title": "{{"} for key in numbers}}},
    )
    for config in configs:
        found = Problems()
        templates.INTEGRATION.complete(config, None, found)
        assert len(found) == templates.MAX_FAULTS


def test_a_users_template_is_parsed_as_well() -> None:
    found = Problems()
    templates.INSTALLATION.complete({"channel": "sms", "category": None, "text": "{{ x }}"}, None, found)
    assert found == [
        "Param 'text' is not a template: line 1: 'x' is not known; there are notification, recipient, project"
    ]
