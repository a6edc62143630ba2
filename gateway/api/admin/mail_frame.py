"""The frame in which the dashboard shows a mail before it is sent.

A mail has styles in its markup, which the policy of the dashboard forbids, also in a frame that the dashboard fills. So
the frame is a page of its own. It is sandboxed: it has no origin, so that nothing in it can call the gateway, and it
runs nothing but the one script that puts a mail into it.
"""

import base64
import hashlib

from starlette.responses import Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.system.pages import PAGE

# Links lead nowhere, and a mail that would lead elsewhere by itself stays. A mail that replaces another one keeps the
# place to which the reader has scrolled. The rules of a mail for light and dark apply as the reader of the dashboard
# wants to see it, not as the browser does.
_SCRIPT = """\
addEventListener("message", ({ data, source }) => {
  if (source !== parent || typeof data?.html !== "string") return;
  const top = scrollY;
  const { documentElement: root } = new DOMParser().parseFromString(data.html, "text/html");
  for (const each of root.querySelectorAll("meta[http-equiv]")) each.remove();
  document.documentElement.replaceWith(document.adoptNode(root));
  root.style.colorScheme = data.theme;
  for (const { cssRules } of document.styleSheets)
    for (const { media } of cssRules) {
      const [, theme] = /prefers-color-scheme: *(light|dark)/.exec(media?.mediaText ?? "") ?? [];
      if (theme) media.mediaText = theme === data.theme ? "all" : "not all";
    }
  scrollTo(0, top);
});
addEventListener("click", (event) => event.preventDefault(), true);
"""

_HTML = f'<!doctype html><html lang="en"><head><title>Mail</title><script>{_SCRIPT}</script></head><body></body></html>'

_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()

POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'sha256-{_HASH}'",
        "style-src 'unsafe-inline'",
        "img-src https: http: data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "sandbox allow-scripts",
    )
)

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "SAMEORIGIN",
}


class MailFrameResource:
    """The operation that serves the frame."""

    async def frame(self, call: PublicCall) -> Response:
        """Return the frame in which the dashboard shows mails."""
        return Response(_HTML, headers=_HEADERS, media_type="text/html")


OPERATIONS: list[Operation[MailFrameResource]] = [
    Operation("GET", "/admin/mail-frame", PUBLIC, MailFrameResource.frame, "Get the frame of mails", PAGE),
]
"""The row, which the OpenAPI document does not have."""
