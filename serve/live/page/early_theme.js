// Not a module: it runs before anything is drawn, so that a page in the chosen theme never flashes in the other one.
try {
  const theme = localStorage.getItem("coinlake-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden: then the theme is the system's.
}
