// Live updates: when something happens, the parts of the page that say how things stand are fetched again.
// Without it the page is the same, and a reload says the newest. What somebody is typing is never touched.
"use strict";
(() => {
  const where = document.body.dataset.events;
  if (!where || !window.EventSource) return;
  let waiting = null;
  const refresh = async () => {
    waiting = null;
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const found = fresh.getElementById(part.id);
      if (found && found.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) {
        part.replaceChildren(...found.childNodes);
      }
    }
  };
  new EventSource(where).addEventListener("record", () => {
    waiting = waiting || setTimeout(refresh, 300);
  });
})();
