// The chosen theme is set before the first paint; without one the system's holds.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("syncd-theme"); } catch { /* storage is closed to this page: the system's theme holds */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
