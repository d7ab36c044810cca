// Runs before the page is drawn, so that it never shows in the other colours first. A classic script for that reason.
document.documentElement.dataset.theme = localStorage.getItem("turboquant.theme") || "auto";
