const COPIED_MS = 2000;

/** Have a button copy the text of an element. Where a page may not, the text is selected instead. */
export function copyFrom(button, source) {
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => (button.textContent = "Copy"), COPIED_MS);
  });
}
