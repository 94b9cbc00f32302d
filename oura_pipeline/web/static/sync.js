// Says how a sync goes that was asked for, until it is done; without scripts, the link does.
"use strict";
const state = document.getElementById("sync-state");
const link = document.getElementById("sync-look");

async function look() {
  const answer = await fetch("/me/sync", { redirect: "error" });
  if (!answer.ok) return;
  const sync = await answer.json();
  if (state.textContent !== sync.text) state.textContent = sync.text;
  if (sync.running) setTimeout(look, 2000);
  else link.textContent = "Show the new data";
}

setTimeout(look, 1000);
