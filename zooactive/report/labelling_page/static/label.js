// The page on which galaxies are labelled. All addresses are relative: they begin with the token in that of the page.
"use strict";

const AHEAD = 3;  // galaxies that are fetched before they are needed, so that a key is answered at once
const page = crypto.randomUUID();
const element = (name) => document.getElementById(name);
const look = { zoom: 1, brightness: 1, contrast: 1, invert: 0, grayscale: 0 };
const past = [];     // what was shown on this page, with what was said of it
let coming = [];     // galaxies that were fetched, with their pictures
let at = null;       // the galaxy on the screen
let place = null;    // its place in the past, where one has gone back
let questions = [];  // parents before children
let answers = [];    // of the first question
let saving = Promise.resolve();
let fetching = null;
let grid = [];

const NAMES = { informative: "tells most", surest: "surest", random: "at random", different: "unlike all seen", grid: "in a grid",
  similar: "looks like those found", again: "once more, to see how steady one is", named: "by its name" };
const MODES = {
  informative: "The galaxy whose label would tell the model most; one in ten is drawn at random, to measure by.",
  surest: "The galaxy that is most surely of this kind, to find rare ones; one in ten is drawn at random, to measure by.",
  both: "The galaxy whose label would tell most, and the surest of this kind, in turn; one in ten is drawn at random.",
  random: "Any galaxy, a fair sample.",
  different: "A galaxy unlike all that you have seen.",
};

// Asking the server --------------------------------------------------------------------------------------------------

async function ask(name, given, method = "GET") {
  const address = method === "GET" ? `api/${name}?${new URLSearchParams(given)}` : `api/${name}`;
  const options = method === "GET" ? {} : {
    method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(given),
  };
  let response = await fetch(address, options);
  for (let tries = 0; response.status === 503 && tries < 20; tries += 1) {  // too many connections: it comes again
    await new Promise((again) => { setTimeout(again, 250); });
    response = await fetch(address, options);
  }
  const told = await response.json().catch(() => ({ error: `the server says ${response.status}` }));
  if (!response.ok) throw new Error(told.error || `the server says ${response.status}`);
  return told;
}

function tell(text, wrong = false) {
  const where = element("grid").hidden ? element("said") : element("grid-said");
  where.textContent = text;
  where.classList.toggle("wrong", wrong);
}

function labeller() {
  return element("labeller").value.trim() || "me";
}

// The questions ------------------------------------------------------------------------------------------------------

// What is asked after these answers, written QUESTION_ANSWER; null where all is said.
function nextQuestion(given) {
  return questions.find((question) => {
    const asked = !question.asked_after.length || question.asked_after.some((name) => given.includes(name));
    return asked && !question.answers.some((name) => given.includes(`${question.name}_${name}`));
  }) || null;
}

function pose(question, pressed) {
  element("question").textContent = question.name;
  element("answers").replaceChildren(...question.answers.map((name, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.answer = name;
    button.textContent = number < 9 ? `${number + 1} ${name}` : name;
    button.setAttribute("aria-pressed", String(name === pressed));
    button.addEventListener("click", () => answer(name));
    return button;
  }));
}

// One galaxy at a time ------------------------------------------------------------------------------------------------

function pictureOf(galaxy, small = false) {
  const image = new Image();
  image.src = `image/${galaxy.row}${small ? "?small=1" : ""}`;
  return image;
}

// Whether one kind is looked for, which one chooses.
function ofOneKind() {
  return ["surest", "both"].includes(element("mode").value);
}

function fill() {
  if (fetching || coming.length >= AHEAD) return fetching;
  const mode = element("mode").value;
  // Answers on their way to the server count too: it does not know of them yet.
  const have = [...coming, ...past.slice(-20), ...(at ? [at] : [])].map((galaxy) => galaxy.row);
  const given = { page, labeller: labeller(), mode, number: AHEAD - coming.length, but: have.join(",") };
  if (ofOneKind()) given.answer = element("wanted").value;
  const asked = `${mode} ${given.answer || ""}`;
  fetching = ask("next", given).then((told) => {
    if (asked !== `${element("mode").value} ${ofOneKind() ? element("wanted").value : ""}`) return;
    for (const galaxy of told.galaxies) {
      galaxy.image = pictureOf(galaxy);
      coming.push(galaxy);
    }
  }).catch((error) => tell(error.message, true)).finally(() => { fetching = null; });
  return fetching;
}

async function forth() {
  place = null;
  if (!coming.length) await fill();
  const next = coming.shift();
  if (!next) {
    at = null;
    element("galaxy").removeAttribute("src");
    element("galaxy").alt = "";
    element("about").textContent = "";
    tell("Every galaxy has been seen.");
    return;
  }
  show(next);
  fill();
}

function show(galaxy) {
  at = galaxy;
  const image = element("galaxy");
  image.src = (galaxy.image || pictureOf(galaxy)).src;
  image.alt = `Galaxy ${galaxy.id}`;
  image.dataset.id = galaxy.id;
  image.dataset.shown = String(performance.now());
  const about = element("about");
  about.replaceChildren(document.createTextNode(`${galaxy.id} · ${NAMES[galaxy.chosen] || galaxy.chosen}`));
  for (const [name, value] of Object.entries(galaxy.links || {})) {
    about.append(" · ");
    if (typeof value === "number") {
      about.append(`${name} ${value}`);
      continue;
    }
    const link = document.createElement("a");
    link.href = value;
    link.textContent = name;
    link.rel = "noreferrer noopener";
    link.target = "_blank";
    about.append(link);
  }
  galaxy.now = nextQuestion(galaxy.given) || questions[0];
  pose(galaxy.now, galaxy.answer);
  tell(galaxy.told || "");
}

function inWords(expected) {
  if (!expected) return "";
  return questions[0].answers.map((name) => `${name} ${Math.round(100 * expected[`${questions[0].name}_${name}`])}%`).join(", ");
}

function answer(word) {
  if (!at) return;
  const galaxy = at;
  const question = word ? galaxy.now : questions[0];
  const given = { id: galaxy.id, question: question.name, answer: word, labeller: labeller(), chosen: galaxy.chosen,
    probability: galaxy.probability };
  if (question === questions[0]) galaxy.answer = word;
  if (word) galaxy.given = [...galaxy.given, `${question.name}_${word}`];
  const more = word ? nextQuestion(galaxy.given) : null;
  if (more) {
    galaxy.now = more;
    pose(more);
  } else {
    galaxy.given = [];
    if (place === null) past.push(galaxy);
    // The next picture is there already; what was said is acknowledged when the disk has it.
    const later = place === null ? null : past[place + 1];
    if (later) { place += 1; show(later); } else forth();
  }
  saving = saving.then(() => ask("answer", given, "POST")).then((told) => {
    const was = more ? "" : inWords(told.expected);  // not before all is said
    galaxy.told = was ? `Expected: ${was}.` : "";
    const name = word || "skipped";
    tell(`${galaxy.id}: ${name}, kept.${was ? ` Expected was ${was}.` : ""}`);
    document.body.dataset.kept = String(Number(document.body.dataset.kept || 0) + 1);
    refreshSoon();
  }).catch((error) => {
    galaxy.answer = undefined;
    tell(`${galaxy.id} is not kept: ${error.message}`, true);
  });
}

function back() {
  const before = place === null ? past.length - 1 : place - 1;
  if (before < 0) return;
  if (place === null && at) coming.unshift(at);
  place = before;
  show(past[before]);
}

function onward() {
  if (place === null) return;
  if (place + 1 < past.length) { place += 1; show(past[place]); } else forth();
}

async function undo() {
  await saving;
  try {
    const told = await ask("undo", { labeller: labeller() }, "POST");
    if (!told.galaxy) { tell("There is nothing to take back."); return; }
    if (at && place === null && at.id !== told.galaxy.id) coming.unshift(at);
    const known = past.findIndex((galaxy) => galaxy.id === told.galaxy.id);
    if (known >= 0) past.splice(known, 1);
    place = null;
    show(told.galaxy);
    tell(`The answer to ${told.galaxy.id} is taken back.`);
    refreshSoon();
  } catch (error) { tell(error.message, true); }
}

// Brightness and the like --------------------------------------------------------------------------------------------

function relook() {
  const image = element("galaxy");
  image.style.filter = `brightness(${look.brightness}) contrast(${look.contrast}) invert(${look.invert}) grayscale(${look.grayscale})`;
  image.style.transform = `scale(${look.zoom})`;
}

const LOOKS = {
  "+": () => { look.zoom = Math.min(8, look.zoom * 1.25); },
  "=": () => { look.zoom = Math.min(8, look.zoom * 1.25); },
  "-": () => { look.zoom = Math.max(1, look.zoom / 1.25); },
  b: () => { look.brightness = Math.min(5, look.brightness * 1.2); },
  B: () => { look.brightness = Math.max(0.2, look.brightness / 1.2); },
  c: () => { look.contrast = Math.min(5, look.contrast * 1.2); },
  C: () => { look.contrast = Math.max(0.2, look.contrast / 1.2); },
  i: () => { look.invert = 1 - look.invert; },
  g: () => { look.grayscale = 1 - look.grayscale; },
  0: () => Object.assign(look, { zoom: 1, brightness: 1, contrast: 1, invert: 0, grayscale: 0 }),
};

// The grid -----------------------------------------------------------------------------------------------------------

async function openGrid() {
  const wanted = element("wanted").value || answers[0];
  element("grid-answer").textContent = wanted;
  try {
    const told = await ask("grid", { page, answer: wanted });
    grid = told.galaxies.map((galaxy) => ({ ...galaxy, out: false }));
    element("tiles").replaceChildren(...grid.map((galaxy) => {
      const tile = document.createElement("button");
      tile.type = "button";
      tile.setAttribute("aria-pressed", "false");
      tile.setAttribute("aria-label", `Galaxy ${galaxy.id}`);
      tile.append(pictureOf(galaxy, true));
      tile.firstChild.alt = "";
      tile.addEventListener("click", () => {
        galaxy.out = !galaxy.out;
        tile.setAttribute("aria-pressed", String(galaxy.out));
      });
      return tile;
    }));
    element("confirm").disabled = grid.length === 0;
    tell(grid.length ? "" : "Every galaxy has been seen.");
  } catch (error) { tell(error.message, true); }
}

async function confirmGrid() {
  const wanted = element("grid-answer").textContent;
  const other = answers.length === 2 ? answers.find((name) => name !== wanted) : null;
  element("confirm").disabled = true;
  let kept = 0;
  try {
    for (const galaxy of grid) {
      const word = galaxy.out ? other : wanted;
      if (word === null) continue;  // of several other answers nobody has said which
      await ask("answer", { id: galaxy.id, answer: word, labeller: labeller(), chosen: "grid" }, "POST");
      kept += 1;
    }
    const open = grid.filter((galaxy) => galaxy.out && other === null);
    coming.unshift(...open.map((galaxy) => ({ ...galaxy, chosen: "grid", image: pictureOf(galaxy) })));
    await openGrid();
    tell(`${kept} answers are kept.${open.length ? ` ${open.length} wait for an answer of their own, under One.` : ""}`);
    document.body.dataset.kept = String(Number(document.body.dataset.kept || 0) + kept);
    refreshSoon();
  } catch (error) {
    tell(`${kept} answers are kept, then: ${error.message}`, true);
    element("confirm").disabled = false;
  }
}

function turnTo(name) {
  const one = name === "one";
  element("one").hidden = !one;
  element("grid").hidden = one;
  element("to-one").setAttribute("aria-pressed", String(one));
  element("to-grid").setAttribute("aria-pressed", String(!one));
  element("mode").parentElement.hidden = element("mode-said").hidden = !one;
  element("wanted-label").hidden = one && !ofOneKind();
  if (one) { if (!at) forth(); } else openGrid();
}

// What is known by now -----------------------------------------------------------------------------------------------

let soon = null;
function refreshSoon() {
  if (soon) return;
  soon = setTimeout(() => { soon = null; refresh(); }, 400);
}

function merit(name, measures, told) {
  const found = measures.merits[name];
  if (!found || found.value === null) return null;
  const ends = found.low === null ? "" : ` (${found.low.toFixed(2)} to ${found.high.toFixed(2)})`;
  return `${told} ${found.value.toFixed(2)}${ends}`;
}

async function refresh() {
  try {
    const state = await ask("state", { labeller: labeller() });
    if (!answers.length) setUp(state);
    const measures = state.measures;
    const counts = Object.entries(measures.counts).map(([name, number]) => {
      const more = measures.expected[name];
      return `${number} ${name}` + (more === undefined ? "" : ` (${Math.round(more)} more expected)`);
    });
    element("counts").textContent = counts.length ? `${measures.labels} labels: ${counts.join(", ")}.` : "No fit yet.";
    const merits = [merit("accuracy", measures, "accuracy"), merit("auc", measures, "AUC"),
      merit("accuracy_random", measures, "accuracy on the random arm"), merit("auc_random", measures, "AUC there")];
    element("merits").textContent = merits.filter(Boolean).join("; ");
    element("advice").textContent = measures.advice;
    const others = [];
    if (state.consistency.asked) others.push(`asked again, you said the same ${state.consistency.same} of ${state.consistency.asked} times`);
    if (state.agreement.several) others.push(`labellers agree on ${state.agreement.same} of ${state.agreement.several} galaxies`);
    element("others").textContent = others.join("; ");
    element("work").textContent = state.work.text || "";
    draw(measures.curve);
  } catch (error) { tell(error.message, true); }
}

function draw(curve) {
  const points = curve.filter((point) => point.auc !== null && point.auc !== undefined);
  const svg = element("curve");
  if (!points.length) return;
  const most = points[points.length - 1].labels;
  const along = (point) => `${(30 + 262 * point.labels / most).toFixed(1)},${(105 - 95 * point.auc).toFixed(1)}`;
  const make = (name, given, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(given)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const last = points[points.length - 1];
  svg.replaceChildren(
    make("title", { id: "curve-title" }, `AUC by the number of labels, ${last.auc.toFixed(2)} at ${last.labels}`),
    make("text", { x: 2, y: 14 }, "AUC 1"), make("text", { x: 2, y: 108 }, "0"),
    make("text", { x: 292, y: 118, "text-anchor": "end" }, `${most} labels`),
    make("polyline", { points: points.map(along).join(" ") }),
    make("circle", { cx: along(last).split(",")[0], cy: along(last).split(",")[1], r: 3 }),
  );
}

function setUp(state) {
  questions = state.questions;
  answers = questions[0].answers;
  document.title = `${state.question} · zooactive`;
  element("to-grid").hidden = questions.length > 1;  // which asks one question
  pose(questions[0]);
  element("wanted").replaceChildren(...answers.map((name) => new Option(name, name)));
}

// Keys and buttons ---------------------------------------------------------------------------------------------------

function toggleHelp() {
  const keys = element("keys");
  keys.hidden = !keys.hidden;
  element("help").setAttribute("aria-expanded", String(!keys.hidden));
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key === "?") { toggleHelp(); return; }
  if (element("one").hidden) return;
  const number = Number(event.key);
  const now = (at && at.now) || questions[0];
  if (number >= 1 && number <= now.answers.length) answer(now.answers[number - 1]);
  else if (event.key === "ArrowLeft") back();
  else if (event.key === "ArrowRight") onward();
  else if (event.key === "u") undo();
  else if (event.key === "s") answer("");
  else if (LOOKS[event.key]) { LOOKS[event.key](); relook(); } else return;
  event.preventDefault();
}

function another() {
  const mode = element("mode").value;
  element("mode-said").textContent = MODES[mode];
  element("wanted-label").hidden = !ofOneKind() && element("grid").hidden;
  coming = [];
  if (!element("grid").hidden) openGrid();
  else fetching ? fetching.then(fill) : fill();
}

async function begin() {
  element("labeller").value = localStorage.getItem("zooactive-labeller") || "me";
  element("labeller").addEventListener("change", () => {
    localStorage.setItem("zooactive-labeller", labeller());
    refresh();
  });
  document.addEventListener("keydown", press);
  element("help").addEventListener("click", toggleHelp);
  element("back").addEventListener("click", back);
  element("skip").addEventListener("click", () => answer(""));
  element("undo").addEventListener("click", undo);
  element("confirm").addEventListener("click", confirmGrid);
  element("to-one").addEventListener("click", () => turnTo("one"));
  element("to-grid").addEventListener("click", () => turnTo("grid"));
  element("mode").addEventListener("change", another);
  element("wanted").addEventListener("change", another);
  element("mode-said").textContent = MODES[element("mode").value];
  await refresh();
  await forth();
  document.body.dataset.ready = "yes";
  setInterval(refresh, 5000);
}

begin();
