// The page behind the set-up link: a form, a script of its own address, and nothing from elsewhere. It is the same for everybody and holds
// no secret: the code stays in the browser's address until the form is sent.

/** Its own script and style, its own hub, and nothing else; nothing is put in a frame, and no form goes anywhere by itself. */
export const SETUP_PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export const SETUP_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Skerry: first user</title>
<link rel="stylesheet" href="/setup.css">
<script src="/setup.js" defer></script>
</head>
<body>
<main>
<h1>Make the first user</h1>
<p>This hub has no user yet. The first one is an admin, and makes the others.</p>
<form id="form" autocomplete="on">
<label for="name">Name</label>
<input id="name" name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required maxlength="63"
  pattern="[a-z0-9]([a-z0-9_\\-]{0,61}[a-z0-9])?" aria-describedby="name-rule">
<p class="rule" id="name-rule">Small letters and digits, with - and _ between them.</p>
<label for="password">Password</label>
<input id="password" name="new-password" type="password" autocomplete="new-password" required minlength="12" maxlength="256"
  aria-describedby="password-rule">
<p class="rule" id="password-rule">At least 12 characters. A few words that do not belong together are good.</p>
<label for="again">The same again</label>
<input id="again" name="again" type="password" autocomplete="new-password" required maxlength="256">
<button type="submit">Make the user</button>
</form>
<p id="said" role="status" aria-live="polite"></p>
<noscript><p>This page needs its script. Without a browser: <code>skerry setup LINK</code>.</p></noscript>
</main>
</body>
</html>
`;

export const SETUP_CSS = `:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0; padding: 1rem; }
main { max-width: 26rem; margin: 8vh auto 0; }
h1 { font-size: 1.5rem; }
label { display: block; margin-top: 1rem; font-weight: 600; }
input { box-sizing: border-box; width: 100%; font: inherit; padding: .5rem; }
.rule { margin: .25rem 0 0; font-size: .875rem; opacity: .8; }
button { margin-top: 1.5rem; font: inherit; padding: .5rem 1rem; }
#said { white-space: pre-line; font-weight: 600; }
code { user-select: all; }
`;

export const SETUP_JS = `"use strict";
const code = location.hash.slice(1);
// Out of the address, so that it is in no history and no picture of the screen.
history.replaceState(null, "", "/setup");
const form = document.getElementById("form");
const said = document.getElementById("said");
const field = (name) => document.getElementById(name).value;
if (code === "") {
  form.hidden = true;
  said.textContent = "The link is not whole. Open it as the hub printed it at its start, with all that follows the #.";
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  if (field("password") !== field("again")) {
    said.textContent = "The two passwords differ.";
    return;
  }
  button.disabled = true;
  said.textContent = "";
  try {
    const response = await fetch("/v1/setup", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code, name: field("name"), password: field("password") }),
    });
    const answer = await response.json();
    if (response.ok) {
      form.remove();
      said.textContent = "The user " + answer.name + " is made. Log in with:\\nskerry login " + location.origin + " --user " + answer.name;
      return;
    }
    said.textContent = answer.message + " " + answer.hint;
  } catch {
    said.textContent = "The hub did not answer. Try again.";
  }
  button.disabled = false;
});
`;
