const KEY = "coinlake-theme";
const DARK = matchMedia("(prefers-color-scheme: dark)");

// Switch between dark and light with a button, keep the choice, and say when the colors are others.
export function followTheme(button, changed) {
  const say = () => button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colors`);
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    keep(theme);
    say();
    changed();
  });
  DARK.addEventListener("change", () => {
    say();
    changed();
  });
  say();
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme === undefined ? DARK.matches : theme === "dark";
}

function keep(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be forbidden: then the choice lasts as long as the page.
  }
}
