// What is wider than its page scrolls by itself: the keyboard reaches it, and a screen reader says what it is.
function markScrolling() {
  for (const part of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) {
    const scrolls = part.scrollWidth > part.clientWidth
    if (scrolls === part.hasAttribute("tabindex")) continue
    if (scrolls) {
      part.tabIndex = 0
      part.setAttribute("role", "group")
      part.setAttribute("aria-label", nameOf(part))
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) part.removeAttribute(name)
    }
  }
}
function nameOf(part) {
  if (part.tagName === "CODE") return "Code"
  const heads = [...part.querySelectorAll("thead th")].map(each => each.textContent.trim()).filter(Boolean)
  return `Table: ${heads.join(", ") || "without a head"}`
}
new MutationObserver(markScrolling).observe(document.body, { childList: true, subtree: true })
addEventListener("resize", markScrolling)
markScrolling()
