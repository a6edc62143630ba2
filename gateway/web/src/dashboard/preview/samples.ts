/** Notifications that stand beside a draft, and in the preview of a design. */

import type { Notification } from "../../client/types.ts";

/** Return a notification with these fields. One without a time was sent just now. */
export function notificationOf(id: string, fields: Partial<Notification> & { readonly title: string }): Notification {
  return {
    id,
    content: null,
    category: null,
    topic: null,
    action_url: null,
    custom_attributes: null,
    sent_at: Math.floor(Date.now() / 1000),
    seen_at: null,
    read_at: null,
    archived_at: null,
    ...fields,
  };
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** What an inbox has in one language: title, content, category, seconds ago, whether it is read. */
type Sample = readonly [title: string, content: string, category: string, ago: number, read: boolean];

const ENGLISH: readonly Sample[] = [
  ["Ada mentioned you in Q3 plan", "“Can you check the numbers on page 4 before Friday?”", "mentions", 2 * MINUTE, false],
  ["Grace shared a file with you", "Roadmap 2027.pdf, 12 pages", "files", 48 * MINUTE, false],
  ["Invoice 2041 is paid", "Thank you. The receipt is in your account.", "billing", 5 * HOUR, true],
  ["Maintenance on Sunday", "Search is read-only from 02:00 to 02:30 UTC.", "status", 27 * HOUR, true],
];

const ARABIC: readonly Sample[] = [
  ["أشارت إليك آدا في خطة الربع الثالث", "هل يمكنك مراجعة الأرقام في الصفحة 4 قبل يوم الجمعة؟", "mentions", 2 * MINUTE, false],
  ["شاركت غريس ملفًا معك", "خارطة الطريق 2027، 12 صفحة", "files", 48 * MINUTE, false],
  ["تم دفع الفاتورة 2041", "شكرًا لك. الإيصال موجود في حسابك.", "billing", 5 * HOUR, true],
  ["صيانة يوم الأحد", "البحث للقراءة فقط من 02:00 إلى 02:30 بالتوقيت العالمي.", "status", 27 * HOUR, true],
];

/** Return sample notifications, newest first: in Arabic for languages that are written from right to left. */
export function samples(locale = "en"): Notification[] {
  const now = Math.floor(Date.now() / 1000);
  const isArabic = /^(ar|fa|he|ur)\b/.test(locale);
  return (isArabic ? ARABIC : ENGLISH).map(([title, content, category, ago, read], at) => {
    const sent_at = now - ago;
    return notificationOf(`sample-${at}`, { title, content, category, sent_at, seen_at: sent_at, read_at: read ? sent_at : null });
  });
}
