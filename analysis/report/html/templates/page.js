"use strict";
// Everything that is shown is set as text or as an attribute's value; no text is ever read as HTML.
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  // Light and dark.
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const toggle = byId("theme");
  const say = () => {
    toggle.textContent = isDark() ? "Light page" : "Dark page";
  };
  toggle.hidden = false;
  say();

  // Figures: drawn when they come near, the others when nothing else is to do.
  const charts = [...document.querySelectorAll("[data-spec]")];
  const configs = charts.length ? read("configs") : {};
  const draw = (chart, dark = isDark()) => {
    if (chart.dataset.drawn === String(dark)) return Promise.resolve();
    chart.dataset.drawn = String(dark);
    const options = {
      ast: true, // the interpreter of expressions, because the page's policy forbids to evaluate code
      actions: false,
      renderer: "svg",
      mode: "vega-lite",
      logLevel: 1, // errors: what an empty series draws is for the tests of figures to say
      defaultStyle: false,
      config: configs[dark ? "dark" : "light"],
      tooltip: { theme: dark ? "dark" : "light" },
    };
    const inside = make("div");
    const old = chart.view;
    const menu = chart.closest("figure").querySelector(".menu");
    const chosen = menu && menu.querySelector("select") ? menu.querySelector("select").value : null;
    if (menu) {
      options.bind = menu;
      menu.replaceChildren();
    }
    return vegaEmbed(inside, read(chart.dataset.spec), options).then((result) => {
      chart.view = result;
      if (chosen !== null) result.view.signal("chosen_panel", chosen).run();
      chart.replaceChildren(inside);
      chart.classList.add("drawn");
      if (old) old.finalize();
    });
  };
  const failed = (chart) => (error) => {
    chart.textContent = `This figure could not be drawn (${error.message}); its numbers are in the file below.`;
    console.error(error);
  };
  const show = (chart) => draw(chart).catch(failed(chart));
  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) if (entry.isIntersecting) show(entry.target);
    },
    { rootMargin: "600px" },
  );
  charts.forEach((chart) => near.observe(chart));
  const idle = window.requestIdleCallback || ((act) => setTimeout(act, 200));
  const drawNext = () => {
    const chart = charts.find((other) => !other.dataset.drawn);
    if (chart) show(chart).finally(() => idle(drawNext));
  };
  addEventListener("load", () => idle(drawNext));
  const redraw = () => charts.filter((chart) => chart.dataset.drawn).forEach(show);
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    say();
    redraw();
  });
  system.addEventListener("change", () => {
    say();
    redraw();
  });
  // Paper is white.
  let before = null;
  let unfolded = [];
  addEventListener("beforeprint", () => {
    before = root.dataset.theme || "";
    root.dataset.theme = "light";
    unfolded = [...document.querySelectorAll("details.folded:not([open])")];
    for (const fold of unfolded) fold.open = true;
    charts.forEach((chart) => draw(chart, false).catch(failed(chart)));
  });
  addEventListener("afterprint", () => {
    for (const fold of unfolded) fold.open = false;
    if (before) root.dataset.theme = before;
    else delete root.dataset.theme;
    redraw();
  });

  // Tables.
  const SHOWN = 100;
  const INFINITE = { "∞": Infinity, "-∞": -Infinity };
  const asNumber = (text) => {
    const first = text.replace(/^[[<>]+/, "").split(/,?\s/)[0].replace(/[,%\]]/g, "");
    if (first === "") return NaN;
    return first in INFINITE ? INFINITE[first] : Number.parseFloat(first);
  };
  const collator = new Intl.Collator("en", { numeric: true });
  const compare = (column, numeric, up) => (a, b) => {
    if (numeric) {
      const [x, y] = [asNumber(a[column]), asNumber(b[column])];
      // What is not known stands last, either way.
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return up ? x - y : y - x;
    }
    return up ? collator.compare(a[column], b[column]) : collator.compare(b[column], a[column]);
  };
  const header = (column, place, sort) => {
    const button = make("button", { type: "button" }, column.name || "\u00a0");
    const cell = make("th", { scope: "col", "aria-sort": "none" }, button);
    if (column.numeric) cell.className = "n";
    button.addEventListener("click", () => sort(place, cell));
    return cell;
  };
  const sorter = (head, columns, rows, done) => (place, cell) => {
    const up = cell.getAttribute("aria-sort") !== "ascending";
    for (const other of head.children) other.setAttribute("aria-sort", "none");
    cell.setAttribute("aria-sort", up ? "ascending" : "descending");
    rows.sort(compare(place, columns[place].numeric, up));
    done();
  };
  const build = (place) => {
    const { columns, rows } = read(place.dataset.table);
    const [input, status, more] = ["input", "output", "button.more"].map((name) => place.querySelector(name));
    const head = make("tr");
    const body = make("tbody");
    let n = SHOWN;
    const fill = () => {
      const wanted = input.value.trim().toLowerCase();
      const kept = wanted ? rows.filter((row) => row.some((cell) => cell.toLowerCase().includes(wanted))) : rows;
      const line = (row) =>
        make("tr", {}, ...row.map((cell, i) => make("td", columns[i].numeric ? { class: "n" } : {}, cell)));
      body.replaceChildren(...kept.slice(0, n).map(line));
      const shown = Math.min(n, kept.length);
      status.textContent = `${shown.toLocaleString("en")} of ${kept.length.toLocaleString("en")} rows shown`;
      more.hidden = shown === kept.length;
    };
    const sort = sorter(head, columns, rows, fill);
    head.append(...columns.map((column, i) => header(column, i, sort)));
    input.addEventListener("input", () => {
      n = SHOWN;
      fill();
    });
    more.addEventListener("click", () => {
      n += 10 * SHOWN;
      fill();
    });
    place.querySelector(".scroll").append(make("table", {}, make("thead", {}, head), body));
    fill();
  };
  for (const place of document.querySelectorAll("[data-table]")) {
    place.addEventListener("toggle", () => build(place), { once: true });
  }
  // The table of the first screen is there without this script; with it, it can be sorted.
  for (const table of document.querySelectorAll("table.sortable")) {
    const head = table.tHead.rows[0];
    const lines = [...table.tBodies[0].rows];
    const columns = [...head.cells].map((cell) => ({ name: cell.textContent, numeric: cell.classList.contains("n") }));
    const rows = lines.map((line) => Object.assign([...line.cells].map((c) => c.dataset.value ?? c.textContent), { line }));
    const sort = sorter(head, columns, rows, () => table.tBodies[0].append(...rows.map((row) => row.line)));
    head.replaceChildren(...columns.map((column, i) => header(column, i, sort)));
  }

  // Responses.
  const explorer = byId("explorer");
  if (!explorer) return;
  const sample = read("sample");
  const PAGE = 20;
  const NAMES = { response_type: "response type", stratum: "Rating or class", outcome: "Verdict" };
  const FILTERS = ["model", "task", "setting", "persona", "template", "response_type", "stratum", "outcome", "cause"];
  const { columns, folded } = sample;
  const value = (name, i) => (columns[name] && columns[name].codes[i] >= 0 ? columns[name].levels[columns[name].codes[i]] : null);
  const filters = byId("filters");
  const field = (id, name, control) => {
    control.id = id;
    return make("div", { class: "field" }, make("label", { for: id }, name), control);
  };
  const selects = {};
  for (const name of FILTERS) {
    if (!columns[name] || !columns[name].levels.length) continue;
    const select = make("select", {}, make("option", { value: "" }, "all"));
    columns[name].levels.forEach((level, code) => select.append(make("option", { value: String(code) }, level)));
    if (columns[name].codes.includes(-1)) select.append(make("option", { value: "-1" }, "none"));
    selects[name] = select;
    filters.append(field(`filter-${name}`, NAMES[name] || name, select));
  }
  const search = make("input", { type: "search" });
  filters.append(field("filter-words", "Search text", search));
  const disagree = make("input", { type: "checkbox" });
  if (columns.disagree.levels.includes("yes")) filters.append(make("label", { class: "check" }, disagree, "Detectors disagree"));
  const status = byId("found");
  const cards = byId("cards");
  const [previous, next] = [byId("previous"), byId("next")];
  const rules = Object.keys(columns).filter((name) => name.startsWith("refused_"));
  const texts = (i) =>
    make(
      "dl",
      { class: "said" },
      make("dt", {}, "Prompt"),
      make("dd", { dir: "auto", tabindex: "0" }, sample.prompts[i] || "(not known)"),
      make("dt", {}, "Response"),
      make("dd", { dir: "auto", tabindex: "0" }, sample.responses[i] || "(empty)"),
    );
  const card = (i) => {
    const outcome = value("outcome", i);
    const cause = value("cause", i);
    const tags = make("p", { class: "tags" });
    tags.append(make("span", { class: `verdict ${outcome === "refusal" ? "refusal" : ""}` }, cause ? `${outcome} (${cause})` : outcome));
    for (const name of ["model", "task", "setting", "persona", "template", "response_type", "stratum"]) {
      const level = value(name, i);
      if (level !== null) tags.append(make("bdi", {}, name === "stratum" ? `Rating: ${level}` : level));
    }
    if (value("disagree", i) === "yes") {
      const verdicts = rules.map((name) => `${name.slice("refused_".length)}: ${value(name, i) === "yes" ? "refusal" : "no refusal"}`);
      tags.append(make("span", { class: "disagree" }, `Detectors disagree (${verdicts.join(", ")})`));
    }
    const place = ["design_id", "index", "text_id"].map((name) => value(name, i)).filter((level) => level !== null);
    if (place.length) tags.append(make("bdi", {}, place.join(" / ")));
    const item = make("li", { class: "card" }, tags);
    if (folded.includes(columns.task.codes[i])) {
      const fold = make("details", {}, make("summary", {}, "Show the text, which may be offensive"));
      fold.addEventListener("toggle", () => fold.append(texts(i)), { once: true });
      item.append(fold);
    } else item.append(texts(i));
    return item;
  };
  let found = [];
  let page = 0;
  const turn = () => {
    const from = page * PAGE;
    const here = found.slice(from, from + PAGE);
    cards.replaceChildren(...here.map(card));
    status.textContent = found.length
      ? `${(from + 1).toLocaleString("en")} to ${(from + here.length).toLocaleString("en")} of ${found.length.toLocaleString("en")} responses`
      : "No response of the sample is like that.";
    previous.disabled = page === 0;
    next.disabled = from + PAGE >= found.length;
  };
  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    const chosen = Object.entries(selects).filter(([, select]) => select.value !== "");
    found = [];
    for (let i = 0; i < sample.n; i += 1) {
      if (!chosen.every(([name, select]) => columns[name].codes[i] === Number(select.value))) continue;
      if (disagree.checked && value("disagree", i) !== "yes") continue;
      if (wanted && !`${sample.prompts[i]}\n${sample.responses[i]}`.toLowerCase().includes(wanted)) continue;
      found.push(i);
    }
    page = 0;
    turn();
  };
  filters.addEventListener("input", filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  previous.addEventListener("click", () => {
    page -= 1;
    turn();
  });
  next.addEventListener("click", () => {
    page += 1;
    turn();
    explorer.scrollIntoView();
  });
  explorer.hidden = false;
  filter();
})();
