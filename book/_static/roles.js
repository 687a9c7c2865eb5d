// Roles and names for screen readers that the theme, MyST-NB and docutils have wrong.
document.addEventListener("DOMContentLoaded", () => {
  // The book's title, a link home, stands outside every landmark.
  const home = document.querySelector(".sidebar-primary-item:has(.navbar-brand)");
  home?.setAttribute("role", "navigation");
  home?.setAttribute("aria-label", "Home");
  // A folded cell says "Show code cell source"; its label hides that.
  document.querySelectorAll("details.hide > summary").forEach((summary) => summary.removeAttribute("aria-label"));
  // The bibliography is a list; ARIA has withdrawn the role that docutils gives its items.
  document.querySelectorAll(".citation-list > .citation").forEach((entry) => entry.setAttribute("role", "listitem"));
});
