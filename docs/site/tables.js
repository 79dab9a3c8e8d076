// A table that is wider than its page scrolls by itself: the keyboard reaches it, and a screen reader says what it is.
function markScrolling() {
  for (const wrap of document.querySelectorAll(".md-typeset__scrollwrap")) {
    const scrolls = wrap.scrollWidth > wrap.clientWidth
    if (scrolls === wrap.hasAttribute("tabindex")) continue
    const heads = [...wrap.querySelectorAll("thead th")].map(each => each.textContent.trim()).filter(Boolean)
    if (scrolls) {
      wrap.tabIndex = 0
      wrap.setAttribute("role", "group")
      wrap.setAttribute("aria-label", `Table: ${heads.join(", ") || "without a head"}`)
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) wrap.removeAttribute(name)
    }
  }
}
new MutationObserver(markScrolling).observe(document.body, { childList: true, subtree: true })
addEventListener("resize", markScrolling)
markScrolling()
