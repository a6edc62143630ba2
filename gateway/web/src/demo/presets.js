const AT = "https://northwind.example";

/** The examples of the composer. */
export const PRESETS = [
  {
    label: "Order shipped",
    title: "Order #1042 has shipped",
    content: "Two bags of Yirgacheffe are on their way to Linh Tran. They arrive on Thursday.",
    category: "orders",
    action_url: `${AT}/orders/1042`,
  },
  {
    label: "Mention",
    title: "Mara mentioned you in “Autumn menu”",
    content: "“Can we move the tasting to Friday? The new roaster arrives on Thursday.”",
    category: "mentions",
    action_url: `${AT}/docs/autumn-menu`,
  },
  {
    label: "Build failed",
    title: "Build 218 failed on main",
    content: "3 of 412 tests failed in checkout/tax. Last commit: “Round per line, not per order”.",
    category: "builds",
    action_url: `${AT}/builds/218`,
  },
  {
    label: "Payment due",
    title: "Invoice INV-0093 is due tomorrow",
    content: "$1,280.00 to Harbour Freight. The card that ends in 4242 will be charged.",
    category: "billing",
    action_url: `${AT}/invoices/INV-0093`,
  },
  {
    label: "HTML",
    title: "Your week at Northwind",
    content: "<p>Sales are <strong>up 12 %</strong>, and <em>Yirgacheffe</em> sold out twice.</p><ul><li>148 orders</li><li>3 returns</li></ul>",
    category: "reports",
    action_url: `${AT}/reports/week-48`,
  },
];
