/** Single sign-on: the address at which it begins, and why it failed, in words. */

import { gatewayAddress } from "../core/api.ts";
import { t } from "../core/text.ts";

/** Return the address that leads to the provider, and then to an address of the dashboard. */
export function ssoAddress(to: string, { confirm = false } = {}): string {
  const query = new URLSearchParams({ ...(to ? { return: to } : {}), ...(confirm ? { confirm: "true" } : {}) }).toString();
  return `${gatewayAddress()}/admin/api/sso/start${query ? `?${query}` : ""}`;
}

/** Return what a problem in the address of the login page means. Null for one that is not known. */
export function ssoProblem(code: string | null): string | null {
  switch (code) {
    case "sso_no_role":
      return t("You are signed in at the provider, but you have no role here. Ask an owner of this gateway to invite you, or to give your group a role.");
    case "sso_email_not_verified":
      return t("The provider does not say that your email address is verified. Verify it there, and sign in again.");
    case "sso_other_account":
      return t("This is another account at the provider than the one that was used here before. Sign in there with that one, or ask an owner.");
    case "sso_last_owner":
      return t("Your groups would take the role of owner from you, and nobody else has it. Sign in with your password, and make somebody else an owner first.");
    case "sso_not_recent":
      return t("The provider did not ask who you are. Choose a password under Settings, Profile, or ask an owner for a link to do so.");
    case "sso_denied":
      return t("The provider did not sign you in. Try again, or ask those who run it whether you may use this gateway.");
    case "sso_not_begun":
      return t("This sign-in took too long, or began in another browser. Begin again.");
    case "sso_provider_failed":
      return t("The provider cannot be reached, or is not set up for this gateway. The log of the gateway says why.");
    case "sso_not_valid":
      return t("What the provider said could not be verified. Begin again. If this goes on, the log of the gateway says why.");
    case "too_many_tries":
      return t("There were too many tries from your address. Wait a minute.");
    case "needs_https":
      return t("Nobody can sign in over plain HTTP from another machine. Use HTTPS, or localhost.");
    default:
      return null;
  }
}
