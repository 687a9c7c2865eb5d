// What the theme, MyST-NB and docutils have wrong for screen readers and the keyboard.
document.addEventListener("DOMContentLoaded", () => {
  // The book's title, a link home, stands outside every landmark.
  const home = document.querySelector(".sidebar-primary-item:has(.navbar-brand)");
  home?.setAttribute("role", "navigation");
  home?.setAttribute("aria-label", "Home");
  // A folded cell says "Show code cell source"; its label hides that.
  document.querySelectorAll("details.hide > summary").forEach((summary) => summary.removeAttribute("aria-label"));
  // The bibliography is a list; ARIA has withdrawn the role that docutils gives its items.
  document.querySelectorAll(".citation-list > .citation").forEach((entry) => entry.setAttribute("role", "listitem"));
  // The theme lets the keyboard into boxes that scroll; it must look again when a folded one opens.
  document.addEventListener("click", ({target}) => {
    if (target.closest(".admonition-title")) window.dispatchEvent(new Event("resize"));
  });
});
