/** The page of the product around the bell. */

const ORDERS = [
  ["1042", "Linh Tran", "$38.00", "packing", "Packing"],
  ["1041", "Café Paloma", "$412.50", "shipped", "Shipped"],
  ["1040", "Owen Hughes", "$21.00", "unpaid", "Unpaid"],
  ["1039", "Mara Lindqvist", "$64.80", "shipped", "Shipped"],
  ["1038", "The Corner Roast", "$980.00", "packing", "Packing"],
  ["1037", "Ines Duarte", "$45.20", "shipped", "Shipped"],
  ["1036", "Tomasz Zieliński", "$27.90", "shipped", "Shipped"],
  ["1035", "Harbour Books", "$118.00", "unpaid", "Unpaid"],
  ["1034", "Ayo Balogun", "$33.40", "shipped", "Shipped"],
];

const SHOWN_MS = 4000;

let hiding;

export function showProduct(initials) {
  document.querySelector(".avatar").textContent = initials;
  document.querySelector("tbody").append(
    ...ORDERS.map(([number, customer, total, status, label]) => {
      const row = document.createElement("tr");
      row.dataset.order = number;
      row.append(cell(`#${number}`, "number"), cell(customer), cell(total, "amount"), cell(label, "", `status ${status}`));
      return row;
    }),
  );
}

function cell(text, name = "", inner = "") {
  const element = document.createElement("td");
  element.className = name;
  const holder = inner ? element.appendChild(document.createElement("span")) : element;
  if (inner) holder.className = inner;
  holder.textContent = text;
  return element;
}

/** Show where the link of a notification leads: to an order, or to another page. */
export function showTarget(url) {
  const [, number = ""] = /\/orders\/(\d+)$/.exec(url ?? "") ?? [];
  for (const row of document.querySelectorAll("tbody tr")) row.classList.toggle("chosen", row.dataset.order === number);
  document.querySelector(".opened").textContent = url && !number ? `Opens ${url.replace(/^https?:\/\//, "")}` : "";
  clearTimeout(hiding);
  if (url) hiding = setTimeout(showTarget, SHOWN_MS);
}
