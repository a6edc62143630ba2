/** Notifications that the form suggests: title, content, category and action URL. */
export const IDEAS = [
  ["A moth was found in relay 70", "Panel F. It has been taped into the logbook, as the first actual case of a bug being found.", "incidents", "https://example.com/logbook/1947-09-09"],
  ["Your nanoseconds have been delivered", "A box of 1,000, at 11.8 inches each. Please do not stretch them.", "deliveries", "https://example.com/nanoseconds"],
  ["Note G compiled at the first attempt", "Only a hundred and eighty years late, which still beats the estimate.", "builds", "https://example.com/notes/g"],
  ["The kettle has finished its monologue", "Tea is in the kitchen. The biscuits are going faster than forecast.", "kitchen", ""],
  ["Someone replied to your comment", "“It is easier to ask forgiveness than it is to get permission.” So they merged it.", "comments", "https://example.com/comments/1906"],
  ["The Analytical Engine would like a restart", "It weaves algebraic patterns just as the loom weaves flowers, but one thread is stuck.", "incidents", "https://example.com/engine/status"],
  ["Bernoulli number eight is ready", "−1/30, as expected. Number seven is zero, also as expected.", "builds", "https://example.com/bernoulli/8"],
  ["Markup stays text", "Whatever a backend puts in here, <b>nothing</b> of it runs: <img src=x onerror=alert(1)>", "security", "javascript:alert(1)"],
  ["Lunch is moved to 12:30", "The clock on the wall runs counterclockwise. Check twice.", "kitchen", ""],
  ["You were mentioned in “Ships in port are safe”", "But that is not what ships are built for.", "comments", "https://example.com/ships"],
];
