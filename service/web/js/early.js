/** Runs before anything is painted: streaming software never shows the rest of the page, not even while it loads. */

document.documentElement.classList.toggle("overlay", new URLSearchParams(location.search).get("overlay") === "1");
