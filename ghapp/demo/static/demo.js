/* The page: shows the parts that the server sends and presses the buttons that GitHub has.

   Foreign text goes into the document as text. The one exception is what the server rendered from
   Markdown, with HTML switched off (markup.py). Nodes are kept by key, so that focus, scroll position
   and open details outlive every update. */
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const BAD = new Set(["failure", "timed_out", "action_required", "stale"]);
const WORDS = {
  success: "Succeeded", failure: "Failed", timed_out: "Timed out", cancelled: "Cancelled",
  neutral: "Neutral", skipped: "Skipped", action_required: "Action required", stale: "Stale",
  queued: "Queued", in_progress: "In progress",
};
const HEALTH = {
  healthy: ["success", "healthy"], working: ["pending", "rolling out"],
  rolledback: ["rollback", "rolled back"], failed: ["failure", "failed"], empty: ["none", "empty"],
};
const READY = {
  True: ["success", "good", "ready"], False: ["failure", "bad", "not ready"], "": ["none", "dull", "not looked at yet"],
};

const parts = new Map();
const chosen = {commit: null, check: null, run: null, settled: false};
let login = "alice";
let drawn = false;

const $ = (id) => document.getElementById(id);

/* --- small tools ----------------------------------------------------------------------------- */

function element(tag, classes = "", text = "") {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (text) made.textContent = text;
  return made;
}

function icon(name, classes = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${classes}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/* Replaces an icon only when it is another one: a turning one goes on turning. */
function putIcon(holder, name, tone, label) {
  const key = `${name} ${tone} ${label}`;
  if (holder.dataset.icon === key) return;
  holder.dataset.icon = key;
  holder.replaceChildren(icon(name, tone));
  if (label) holder.append(element("span", "hidden", label));
}

/* Children of `list` become `items`, by key; nodes that stay are filled anew, not made anew. */
function sync(list, items, keyOf, make, fill) {
  const known = new Map([...list.children].map((node) => [node.dataset.key, node]));
  let place = list.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let node = known.get(key);
    if (node) {
      known.delete(key);
    } else {
      node = make(item);
      node.dataset.key = key;
    }
    fill(node, item);
    if (node === place) place = place.nextElementSibling;
    else list.insertBefore(node, place);
  }
  for (const gone of known.values()) gone.remove();
}

const part = (name) => parts.get(name);
const commitOf = (sha) => part(`commit:${sha}`);
const short = (sha) => sha.slice(0, 7);

function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
}

function ago(seconds) {
  const past = Date.now() / 1000 - seconds;
  if (past < 10) return "now";
  if (past < 60) return `${Math.floor(past / 10) * 10}s ago`;
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  return `${Math.floor(past / 3600)} h ago`;
}

const clock = (iso) => new Date(iso).toLocaleTimeString([], {hour12: false});

/* --- states ---------------------------------------------------------------------------------- */

function look(run) {
  if (run.status === "queued") return ["queued", "attention"];
  if (run.status !== "completed") return ["pending", "attention"];
  if (run.conclusion === "success") return ["success", "good"];
  if (BAD.has(run.conclusion)) return ["failure", "bad"];
  return ["neutral", "dull"];
}

const word = (run) => WORDS[run.status === "completed" ? run.conclusion : run.status] || run.status;

function took(run) {
  if (!run.started || run.status === "queued") return "";
  const end = run.completed ? Date.parse(run.completed) : Date.now();
  return span((end - Date.parse(run.started)) / 1000);
}

const latest = (check) => check.runs[check.runs.length - 1];

function checkShown() {
  const commit = chosen.commit && commitOf(chosen.commit);
  return commit ? commit.checks.find((check) => check.name === chosen.check) : undefined;
}

function runShown() {
  const check = checkShown();
  return check && (check.runs.find((run) => run.id === chosen.run) || latest(check));
}

/* --- choosing -------------------------------------------------------------------------------- */

/* What one sees first: the newest commit that needs somebody; until the visitor chooses another. */
function chooseFirst() {
  const commits = part("commits") || [];
  if (chosen.settled && commits.includes(chosen.commit)) return;
  const sick = commits.find((sha) => commitOf(sha)?.state === "failure");
  const busy = commits.find((sha) => commitOf(sha)?.checks.length);
  choose(sick || busy || commits[0] || null);
  chosen.settled = Boolean(sick);
}

function choose(sha, name = null) {
  chosen.commit = sha;
  chosen.run = null;
  const checks = (sha && commitOf(sha)?.checks) || [];
  const sick = checks.find((check) => BAD.has(latest(check).conclusion));
  chosen.check = name || (sick || checks[0])?.name || null;
}

function chooseCheckLeft() {
  const checks = (chosen.commit && commitOf(chosen.commit)?.checks) || [];
  if (!checks.some((check) => check.name === chosen.check)) chosen.check = checks[0]?.name || null;
}

/* --- drawing --------------------------------------------------------------------------------- */

function draw() {
  drawn = false;
  if (!part("about")) return;
  chooseFirst();
  chooseCheckLeft();
  drawPeople();
  drawEnvironments();
  drawCommits();
  drawChecks();
  drawDetail();
  drawPulls();
  drawEvents();
  drawDocuments();
  drawGuide();
  document.body.dataset.ready = "true";
}

function redraw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(draw);
}

function drawPeople() {
  const holder = $("people");
  if (holder.querySelector("input")) return;
  for (const [name, role] of Object.entries(part("about").people)) {
    const label = element("label");
    const input = element("input");
    Object.assign(input, {type: "radio", name: "login", value: name, checked: name === login});
    input.addEventListener("change", () => {
      login = name;
      say(`You are ${name} now, who may ${role === "read" ? "only read" : role}.`);
    });
    const text = element("span", "", name);
    text.append(element("small", "", role));
    label.append(input, text);
    holder.append(label);
  }
}

function drawEnvironments() {
  sync($("environments"), part("environments"), (one) => one.name, () => {
    const card = element("li", "environment");
    const head = element("div", "head");
    head.append(element("span", "state"), element("h3"), element("span", "word"));
    const version = element("p", "version");
    const commit = element("button", "commit");
    commit.type = "button";
    commit.addEventListener("click", () => {
      const sha = commit.dataset.sha;
      if ((part("commits") || []).includes(sha)) goTo(sha, null);
      else say("That commit is older than the list.");
    });
    card.append(head, version, commit, element("p", "says"));
    return card;
  }, (card, one) => {
    const [name, label] = HEALTH[one.state] || HEALTH.empty;
    const tone = {success: "good", pending: "attention", none: "dull"}[name] || "bad";
    if (card.dataset.state && card.dataset.state !== one.state && one.state !== "working") {
      say(`${one.name}: ${one.version} ${label}`);
    }
    card.dataset.state = one.state;
    putIcon(card.querySelector(".state"), name, tone, "");
    put(card.querySelector("h3"), one.name);
    put(card.querySelector(".word"), label);
    const moving = one.state === "working" && one.wanted !== one.version;
    put(card.querySelector(".version"), moving ? `${one.version} → ${one.wanted}` : one.version || "–");
    const commit = card.querySelector(".commit");
    commit.dataset.sha = one.commit;
    commit.disabled = !one.commit;
    put(commit, one.commit ? `${short(one.commit)} ${one.title}` : "nothing yet");
    commit.title = one.title;
    put(card.querySelector(".says"), one.says.split("\n")[0]);
    card.querySelector(".says").title = one.says;
  });
}

function option() {
  const node = element("li", "option");
  node.setAttribute("role", "option");
  node.tabIndex = -1;
  return node;
}

function mark(node, isChosen) {
  node.setAttribute("aria-selected", String(isChosen));
}

/* One option of a list can be reached with Tab: the focused one, else the chosen one. */
function rove(list) {
  const options = [...list.children];
  const here = options.find((node) => node === document.activeElement)
    || options.find((node) => node.getAttribute("aria-selected") === "true") || options[0];
  for (const node of options) node.tabIndex = node === here ? 0 : -1;
}

function drawCommits() {
  const list = $("commits");
  const commits = (part("commits") || []).map(commitOf).filter(Boolean);
  sync(list, commits, (commit) => commit.sha, (commit) => {
    const node = option();
    const text = element("span", "grow");
    const line = element("span", "line muted");
    line.append(element("span", "who"), element("time"), element("span", "release"));
    text.append(element("span", "title"), line);
    node.append(element("span", "state"), text, element("span", "tally"));
    node.addEventListener("click", () => goTo(commit.sha, null));
    return node;
  }, (node, commit) => {
    const known = {success: ["success", "good"], failure: ["failure", "bad"], pending: ["pending", "attention"]};
    const [name, tone] = known[commit.state] || ["none", "dull"];
    putIcon(node.querySelector(".state"), name, tone, WORDS[commit.state] || (commit.state ? "In progress" : "No checks"));
    put(node.querySelector(".title"), commit.title);
    put(node.querySelector(".who"), commit.author);
    const time = node.querySelector("time");
    time.dataset.at = commit.at;
    put(time, ago(commit.at));
    put(node.querySelector(".release"), commit.version);
    put(node.querySelector(".tally"), commit.checks.length ? `${commit.done}/${commit.checks.length}` : "");
    mark(node, commit.sha === chosen.commit);
  });
  rove(list);
}

function drawChecks() {
  const list = $("check-list");
  const commit = chosen.commit && commitOf(chosen.commit);
  const checks = commit ? commit.checks : [];
  put($("checks-title"), commit ? commit.title : "Checks");
  $("rerun-all").disabled = !checks.some((check) => latest(check).status === "completed");
  $("no-checks").hidden = checks.length > 0;
  sync(list, checks, (check) => `${chosen.commit} ${check.name}`, (check) => {
    const node = option();
    node.append(element("span", "state"), element("span", "name"), element("span", "grow muted title"), element("span", "took"));
    node.addEventListener("click", () => {
      Object.assign(chosen, {check: check.name, run: null, settled: true});
      draw();
      $("detail-name").focus({preventScroll: true});
    });
    return node;
  }, (node, check) => {
    const run = latest(check);
    const [name, tone] = look(run);
    if (node.dataset.run === String(run.id) && node.dataset.status !== "completed" && run.status === "completed") {
      say(`${check.name}: ${word(run)}. ${run.title}`);
    }
    Object.assign(node.dataset, {run: run.id, status: run.status});
    putIcon(node.querySelector(".state"), name, tone, word(run));
    put(node.querySelector(".name"), check.name);
    put(node.querySelector(".title"), run.title);
    const time = node.querySelector(".took");
    time.dataset.since = run.status === "in_progress" ? run.started : "";
    put(time, took(run));
    mark(node, check.name === chosen.check);
  });
  rove(list);
}

function drawDetail() {
  const check = checkShown();
  const run = runShown();
  $("detail").hidden = !run;
  if (!run) return;
  const [name, tone] = look(run);
  putIcon($("detail-icon"), name, tone, word(run));
  put($("detail-name"), check.name);
  const line = $("detail-line");
  line.dataset.since = run.status === "in_progress" ? run.started : "";
  line.dataset.word = word(run);
  line.dataset.from = run.started ? clock(run.started) : "";
  put(line, lineOf(run));
  put($("detail-title"), run.title);
  $("rerun").disabled = run.status !== "completed";
  $("rerun").dataset.id = run.id;
  const details = $("details");
  details.hidden = !run.details;
  if (/^https?:/.test(run.details)) details.href = run.details;
  drawAttempts(check, run);
  drawActions(run);
  putMarkdown($("summary"), run.html);
  putMarkdown($("text"), run.text);
  drawNotes(run);
}

/* Rendered by the server from Markdown, HTML switched off (markup.py). */
function putMarkdown(holder, html) {
  holder.hidden = !html;
  if (holder.dataset.html === html) return;
  holder.dataset.html = html;
  holder.innerHTML = html;
}

function drawNotes(run) {
  $("notes").hidden = !run.notes.length;
  sync($("note-list"), run.notes, (note) => `${run.id} ${JSON.stringify(note)}`, (note) => {
    const item = element("li", `note ${note.level}`);
    const where = element("p", "where", `Check ${note.level} on line ${note.line} in `);
    where.append(element("code", "", note.path));
    item.append(where);
    if (note.title) item.append(element("h5", "", note.title));
    item.append(element("p", "message", note.message));
    if (note.raw) item.append(folded("Raw output", note.raw));
    return item;
  }, () => {});
}

/* A block of text that opens on demand. */
function folded(title, text) {
  const box = element("details");
  const code = element("pre", "", text);
  code.tabIndex = 0;
  code.setAttribute("aria-label", title);
  box.append(element("summary", "", title), code);
  return box;
}

function lineOf(run) {
  const time = took(run);
  const end = run.completed ? ` to ${clock(run.completed)}` : "";
  const when = run.started && run.status !== "queued" ? ` · ${clock(run.started)}${end}` : "";
  const joint = run.status === "completed" && run.conclusion !== "success" ? "after" : "in";
  const lasted = run.status === "in_progress" ? ` for ${time}` : ` ${joint} ${time}`;
  return `${word(run)}${time ? lasted : ""}${when}`;
}

function drawAttempts(check, shown) {
  const holder = $("attempts");
  holder.hidden = check.runs.length < 2;
  sync(holder, holder.hidden ? [] : check.runs, (run) => run.id, (run) => {
    const button = element("button");
    button.type = "button";
    button.append(element("span", "state"), element("span", "text"));
    button.addEventListener("click", () => {
      chosen.run = run.id;
      draw();
    });
    return button;
  }, (button, run) => {
    const [name, tone] = look(run);
    putIcon(button.querySelector(".state"), name, tone, word(run));
    const number = check.runs.indexOf(run) + 1;
    put(button.querySelector(".text"), run === latest(check) ? `Run ${number}, latest` : `Run ${number}`);
    button.setAttribute("aria-pressed", String(run.id === shown.id));
  });
}

function drawActions(run) {
  const holder = $("actions");
  holder.hidden = !run.actions.length;
  sync(holder, run.actions, (action) => `${run.id} ${action.identifier}`, (action) => {
    const button = element("button", action.identifier === "promote" ? "primary" : "");
    button.type = "button";
    button.addEventListener("click", () => ask(button, `/demo/checks/${run.id}/actions/${encodeURIComponent(action.identifier)}`));
    return button;
  }, (button, action) => {
    put(button, action.label);
    button.title = action.description;
  });
}

function drawPulls() {
  const pulls = part("pulls") || [];
  $("no-pulls").hidden = pulls.length > 0;
  sync($("pulls"), pulls, (pull) => pull.number, makePull, fillPull);
}

function makePull(pull) {
  const card = element("details", "pull");
  card.open = pull.state === "open";
  const head = element("summary");
  const text = element("span", "grow");
  text.append(element("span", "title"), element("span", "line muted"));
  head.append(element("span", "state"), text);
  const merge = element("button", "primary merge");
  merge.type = "button";
  merge.append(icon("merge"), "Merge pull request");
  merge.addEventListener("click", () => ask(merge, `/demo/pulls/${pull.number}/merge`));
  const body = element("div", "markdown");
  putMarkdown(body, pull.body);
  card.append(head, body, element("div", "files"), merge);
  say(`Pull request #${pull.number} opened: ${pull.title}`);
  return card;
}

function fillPull(card, pull) {
  const tones = {open: ["pull", "good"], merged: ["merge", "done"], closed: ["pull", "bad"]};
  const [name, tone] = tones[pull.state];
  putIcon(card.querySelector(".state"), name, tone, pull.state);
  put(card.querySelector(".title"), pull.title);
  const whose = pull.state === "merged" ? `merged by ${pull.merged_by}` : `${pull.state}, by ${pull.author}`;
  put(card.querySelector(".line"), `#${pull.number} ${whose}`);
  card.querySelector(".merge").hidden = pull.state !== "open";
  if (card.dataset.state === "open" && pull.state !== "open") {
    const held = card.contains(document.activeElement);
    card.open = false;
    if (held) card.querySelector("summary").focus();
  }
  card.dataset.state = pull.state;
  sync(card.querySelector(".files"), pull.files, (file) => file.path, (file) => {
    const figure = element("figure");
    const code = element("pre");
    code.tabIndex = 0;
    code.setAttribute("aria-label", `Difference of ${file.path}`);
    figure.append(element("figcaption", "", file.path), code);
    return figure;
  }, (figure, file) => {
    const text = JSON.stringify(file.lines);
    if (figure.dataset.lines === text) return;
    figure.dataset.lines = text;
    const kinds = {"+": "added", "-": "removed", "@": "hunk"};
    figure.querySelector("pre").replaceChildren(...file.lines.map((line) =>
      element("span", kinds[line.kind] || "same", (line.kind === "@" ? "" : line.kind) + line.text + "\n")));
  });
}

function drawEvents() {
  const events = (part("events") || []).map((id) => part(`event:${id}`)).filter(Boolean);
  put($("event-count"), String(part("about").received));
  sync($("events"), events, (event) => event.id, (event) => {
    const item = element("li");
    const box = element("details");
    const head = element("summary");
    const [, , subject, predicate] = event.type.split(".");
    const outcome = event.data.subject?.content?.outcome || "";
    const tone = {success: "good", failure: "bad", error: "bad"}[outcome]
      || {detected: "bad", resolved: "good", queued: "dull", started: "attention"}[predicate] || "accent";
    const time = element("time", "muted", clock(event.time));
    time.dateTime = event.time;
    head.append(element("span", `dot ${tone}`), element("span", "type", `${subject}.${predicate}`),
      element("span", `outcome ${tone}`, outcome), time,
      element("span", "subject muted", event.subject.split("/").slice(0, 2).join("/")));
    const code = element("pre");
    code.tabIndex = 0;
    code.setAttribute("aria-label", "The event as JSON");
    box.addEventListener("toggle", () => {
      if (box.open && !code.textContent) code.textContent = JSON.stringify(event.data, null, 2);
    });
    box.append(head, code);
    item.append(box);
    return item;
  }, () => {});
}

function drawDocuments() {
  const documents = part("documents") || [];
  $("no-documents").hidden = documents.length > 0;
  sync($("documents"), documents, (one) => `${one.kind} ${one.name}`, (one) => {
    const item = element("li");
    const link = element("a", "document");
    Object.assign(link, {href: one.url, target: "_blank", rel: "noopener"});
    const head = element("span", "line");
    head.append(element("b", "", one.name), element("span", "muted", one.kind), element("span", "delivered muted"));
    const text = element("span", "grow");
    text.append(head, element("span", "says muted"));
    link.append(element("span", "state"), text);
    item.append(link);
    return item;
  }, (item, one) => {
    const [name, tone, label] = READY[one.state] || READY[""];
    putIcon(item.querySelector(".state"), name, tone, label);
    put(item.querySelector(".delivered"), one.delivered ? `${one.delivered} delivered` : "");
    put(item.querySelector(".says"), one.state === "False" ? `${one.reason}: ${one.says}` : one.says);
  });
}

function drawGuide() {
  const commits = (part("commits") || []).map(commitOf).filter(Boolean);
  const pulls = part("pulls") || [];
  const done = {
    "guide-rerun": commits.some((commit) => commit.checks.some((check) => check.runs.length > 1)),
    "guide-promote": pulls.length > 0,
    "guide-merge": pulls.some((pull) => pull.state === "merged"),
  };
  for (const [id, isDone] of Object.entries(done)) {
    $(id).dataset.done = String(isDone);
    const number = $(id).querySelector(".number");
    put(number, isDone ? "✓" : {"guide-rerun": "1", "guide-promote": "2", "guide-merge": "3"}[id]);
  }
}

/* --- talking --------------------------------------------------------------------------------- */

let toasts = 0;

function say(text, tone = "plain") {
  $("live").textContent = text;
  if (!document.body.dataset.ready) return;
  const toast = element("p", `toast ${tone}`, text);
  toast.dataset.number = String(++toasts);
  $("toasts").append(toast);
  while ($("toasts").children.length > 3) $("toasts").firstElementChild.remove();
  setTimeout(() => toast.remove(), 7000);
}

async function ask(button, path, more = {}) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: {"Content-Type": "application/json"},
      body: JSON.stringify({login, ...more}),
    });
    const said = await answer.json();
    say(said.message, answer.ok ? "good" : "bad");
  } catch {
    say("The demo does not answer. Is it still running?", "bad");
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/* --- going ----------------------------------------------------------------------------------- */

function goTo(sha, name) {
  choose(sha, name);
  chosen.settled = true;
  draw();
}

function focusChosen(list) {
  const node = list.querySelector('[aria-selected="true"]') || list.firstElementChild;
  node?.focus();
}

function find(test) {
  for (const sha of part("commits") || []) {
    for (const check of commitOf(sha)?.checks || []) {
      if (test(latest(check))) return [sha, check.name];
    }
  }
  return null;
}

function guide(test, selector, otherwise) {
  const found = find(test);
  if (!found) {
    say(otherwise);
    return;
  }
  goTo(...found);
  const button = [...document.querySelectorAll(selector)].find((node) => node.offsetParent && !node.disabled);
  (button || $("detail-name")).focus();
}

const isStaging = (action) => action.identifier === "promote" && action.label.includes("staging");

$("guide-rerun").addEventListener("click", () => guide(
  (run) => run.status === "completed" && BAD.has(run.conclusion), "#rerun", "Nothing has failed. Break the test first."));
$("guide-promote").addEventListener("click", () => guide(
  (run) => run.actions.some(isStaging), "#actions .primary", "Wait until dev has rolled out."));
$("guide-merge").addEventListener("click", () => {
  const button = document.querySelector("#pulls details[open] .merge:not([hidden])");
  if (button) button.focus();
  else say("There is no open pull request. Promote first.");
});
$("push").addEventListener("click", (event) => ask(event.currentTarget, "/demo/commits"));
$("break").addEventListener("click", (event) => ask(event.currentTarget, "/demo/commits", {broken: true}));
$("rerun").addEventListener("click", (event) => {
  chosen.run = null;
  ask(event.currentTarget, `/demo/checks/${event.currentTarget.dataset.id}/rerun`);
});
$("rerun-all").addEventListener("click", (event) => {
  const check = checkShown();
  if (check) ask(event.currentTarget, `/demo/suites/${check.suite}/rerun`);
});
$("keys-open").addEventListener("click", () => $("keys").showModal());

/* --- keys ------------------------------------------------------------------------------------ */

const STEPS = {j: 1, ArrowDown: 1, k: -1, ArrowUp: -1};

function move(list, event) {
  const options = [...list.children];
  const here = options.indexOf(document.activeElement);
  const to = {Home: 0, End: options.length - 1}[event.key]
    ?? Math.min(options.length - 1, Math.max(0, here + (STEPS[event.key] || 0)));
  options[to]?.focus();
  rove(list);
  event.preventDefault();
}

for (const list of [$("commits"), $("check-list")]) {
  list.addEventListener("focusin", () => rove(list));
  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in STEPS || event.key === "Home" || event.key === "End") {
      event.stopPropagation();
      move(list, event);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      event.target.closest(".option")?.click();
      if (list === $("commits")) focusChosen($("check-list"));
    }
  });
}

const GLOBAL = {
  "?": () => $("keys").showModal(),
  j: () => focusChosen($("commits")),
  k: () => focusChosen($("commits")),
  c: () => focusChosen($("commits")),
  a: () => (document.querySelector("#actions button") || $("rerun")).focus(),
  p: () => (document.querySelector("#pulls details[open] .merge:not([hidden])") || document.querySelector("#pulls summary"))?.focus(),
  e: () => $("events").querySelector("summary")?.focus(),
  d: () => $("documents").querySelector("a")?.focus(),
  Escape: back,
};

function back() {
  const here = document.activeElement;
  if ($("detail").contains(here)) focusChosen($("check-list"));
  else if ($("checks").contains(here)) focusChosen($("commits"));
  else if (here !== document.body) here.blur();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  if (event.target.matches("input") && event.key !== "Escape" && event.key !== "?") return;
  const act = GLOBAL[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

/* --- following ------------------------------------------------------------------------------- */

const POLL = 2000;
let polling = 0;

function take(changes) {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) parts.delete(name);
    else parts.set(name, value);
  }
  redraw();
}

function link(state, text) {
  $("link").dataset.state = state;
  put($("link-text"), text);
}

async function poll() {
  try {
    const answer = await fetch("/demo/state");
    const state = await answer.json();
    for (const name of [...parts.keys()]) if (!(name in state)) parts.delete(name);
    take(state);
    link("polling", "polling");
  } catch {
    link("lost", "not running");
  }
}

function follow() {
  const stream = new EventSource("/demo/stream");
  let fresh = true;
  stream.addEventListener("open", () => {
    fresh = true;
    clearInterval(polling);
    polling = 0;
    link("live", "live");
  });
  stream.addEventListener("message", (event) => {
    if (fresh) parts.clear();  // the first message of a stream is everything
    fresh = false;
    take(JSON.parse(event.data));
  });
  stream.addEventListener("error", () => {
    if (!polling) {
      polling = setInterval(poll, POLL);
      poll();
    }
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, POLL);
  });
}

setInterval(() => {
  for (const time of document.querySelectorAll("#commits time")) put(time, ago(Number(time.dataset.at)));
  for (const node of document.querySelectorAll("#check-list .took")) {
    if (node.dataset.since) put(node, span((Date.now() - Date.parse(node.dataset.since)) / 1000));
  }
  const run = runShown();
  if (run && run.status === "in_progress") put($("detail-line"), lineOf(run));
}, 1000);

put($("kubectl"), `kubectl --server ${location.origin}/kube get checkrail,pipelineruns -A`);
follow();
