"""The texts that a project's templates give for a message."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.channels.template_renderer import TemplateRenderer, templates_of, variables_of
from gateway.delivery.compose import Subject, Texts

MAX_NOTE = 300
"""How many characters the trace has of the fault of a template."""


class Templates:
    """Renders templates. A process has one, which keeps those that it has parsed."""

    def __init__(self) -> None:
        self._renderer = TemplateRenderer()

    def render(self, config: Mapping[str, Any], subject: Subject, texts: Texts) -> Texts:
        """Return the texts of a message by the templates of its project. A template that fails changes nothing."""
        shown = subject.shown
        templates = templates_of(config, subject.installed, subject.channel, shown.category or None)
        if not templates:
            return texts
        variables = variables_of(
            notification_id=subject.notification_id,
            title=texts.title,
            content=texts.content,
            action_url=texts.action_url,
            category=shown.category,
            topic=shown.topic,
            custom_attributes=shown.custom_attributes,
            sent_at=datetime.fromtimestamp(subject.sent_at, UTC).isoformat(),
            recipient=subject.addressee,
            project_name=subject.brand.name,
        )
        rendered = self._renderer.render(templates, subject.channel, variables)
        found = rendered.texts
        return Texts(
            found.get("title", texts.title),
            found.get("content", texts.content),
            found.get("action_url", texts.action_url),
            found.get("subject", texts.subject),
            tuple(str(fault)[:MAX_NOTE] for fault in rendered.faults),
        )
