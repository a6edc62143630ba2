/** Show a notification in its row. Its content comes from backends and is untrusted: it is only ever set as text. */
export function fillRow(row, { id, title, content, action_url, category, sent_at, read_at, seen_at, archived_at }) {
  const [isRead, isSeen, isArchived] = [read_at, seen_at, archived_at].map((timestamp) => timestamp !== null);
  const find = (selector) => row.querySelector(selector);
  Object.assign(row.dataset, { notificationId: id, read: isRead, seen: isSeen, archived: isArchived });
  find("h4").textContent = title;
  find(".item-content").textContent = content ?? "";
  find(".item-content").hidden = !content;
  find("time").dateTime = new Date(sent_at * 1000).toISOString();
  find("time").textContent = ago(sent_at);
  find("time").title = new Date(sent_at * 1000).toLocaleString();
  find(".unseen").hidden = isSeen;
  find(".archived").hidden = !isArchived;
  find(".category").textContent = category ?? "";
  find(".category").hidden = !category;

  const link = find("a");
  link.hidden = !isWebAddress(action_url);
  if (!link.hidden) link.href = action_url;

  const [readButton, archiveButton, deleteButton] = row.querySelectorAll("button");
  setAction(readButton, isRead ? "unread" : "read", isRead ? "Mark unread" : "Mark read");
  setAction(archiveButton, isArchived ? "unarchive" : "archive", isArchived ? "Unarchive" : "Archive");
  for (const button of [readButton, archiveButton, deleteButton]) {
    button.setAttribute("aria-label", `${button.textContent}: ${title}`);
  }
}

function setAction(button, action, label) {
  button.dataset.action = action;
  button.textContent = label;
}

/** Whether an address can be a link: a javascript: address would run in this page. */
function isWebAddress(address) {
  return URL.canParse(address ?? "") && ["http:", "https:"].includes(new URL(address).protocol);
}

export function ago(unixSeconds) {
  const seconds = Date.now() / 1000 - unixSeconds;
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h ago`;
  return new Date(unixSeconds * 1000).toLocaleDateString();
}
