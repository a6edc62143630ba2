const STORED = "inbox-demo-theme";

/** Apply the colours that were chosen last, and those that are chosen from now on. `onChange` is called with each. */
export function startColours(onChange) {
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    onChange(theme);
  };
  const chosen = localStorage.getItem(STORED) ?? "auto";
  for (const radio of document.querySelectorAll(".themes input")) {
    radio.checked = radio.value === chosen;
    radio.addEventListener("change", () => {
      localStorage.setItem(STORED, radio.value);
      apply(radio.value);
    });
  }
  apply(chosen);
}
