// Keeps what is typed as a draft while it is typed, and keeps the page where the desk cannot be reached.
// Everything works without this file: each page is saved when it is sent.
const WAIT_MS = 600;

for (const form of document.querySelectorAll("form.tell-form")) {
  keepOffline(form);
  if (form.dataset.tellAutosave) autosave(form);
}

function autosave(form) {
  const said = document.getElementById("tell-saved");
  let waiting = 0;
  let unsaved = false;

  async function save() {
    clearTimeout(waiting);
    if (!unsaved) return;
    unsaved = false;
    try {
      const answer = await fetch(form.dataset.tellAutosave, {
        method: "POST", body: new URLSearchParams(new FormData(form)), keepalive: true, cache: "no-store",
      });
      if (answer.redirected) said.textContent = "Your session has ended. Save and sign in again: nothing is lost.";
      else if (answer.status === 404) said.textContent = "This draft was sent or deleted. Nothing more is saved here.";
      else if (answer.ok) said.textContent = await answer.text();
      else throw new Error(String(answer.status));
    } catch {
      unsaved = true;
      said.textContent = "Not saved: the desk cannot be reached. What you typed is still here.";
      waiting = setTimeout(save, 5 * WAIT_MS);
    }
  }

  form.addEventListener("input", () => {
    unsaved = true;
    form.elements.typed_at.value = String(Date.now());
    clearTimeout(waiting);
    waiting = setTimeout(save, WAIT_MS);
  });
  addEventListener("beforeunload", save);
  document.addEventListener("visibilitychange", () => document.hidden && save());
  form.addEventListener("tell:leaves", () => { unsaved = false; clearTimeout(waiting); });
}

function keepOffline(form) {
  const offline = document.getElementById("tell-offline");
  let asking = false;
  let reached = false;

  form.addEventListener("submit", async (event) => {
    if (reached) { reached = false; return; }
    event.preventDefault();
    if (asking) return;
    asking = true;
    offline.hidden = true;
    try {
      await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(10_000) });
    } catch {
      offline.hidden = false;
      offline.focus();
      asking = false;
      return;
    }
    asking = false;
    reached = true;
    form.dispatchEvent(new Event("tell:leaves"));
    form.requestSubmit(event.submitter);
  });
}
