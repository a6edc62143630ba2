/** What makes HTML safe where the browser has no Element.setHTML: DOMPurify. Only such browsers load this file. */

import DOMPurify from "dompurify";

/** The part of Trusted Types that is used, which TypeScript does not know. */
interface Factory {
  createPolicy(name: string, rules: Record<string, (text: string) => string>): object;
}

const { trustedTypes } = globalThis as { trustedTypes?: Factory };

// Throws where the page forbids policies of this name. The texts of contents are shown then.
const policy = trustedTypes?.createPolicy("inbox-html", {
  createHTML: (html) => html, // only DOMPurify has the policy, to parse in a document that runs nothing
  createScriptURL: () => {
    throw new TypeError("inbox-html is for HTML only");
  },
});

/** Return HTML without anything that runs. Throws if this browser cannot do so. */
export function sanitized(html: string): DocumentFragment {
  if (!DOMPurify.isSupported) throw new Error("DOMPurify does not support this browser");
  return DOMPurify.sanitize(html, {
    RETURN_DOM_FRAGMENT: true,
    USE_PROFILES: { html: true },
    FORBID_TAGS: ["form"], // its controls could hide its methods
    ...(policy && { TRUSTED_TYPES_POLICY: policy as never }),
  });
}
