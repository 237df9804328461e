// The 3D view: shows one peptide of the page's data, chosen in the table or with the controls.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("structures").textContent);
  const rows = [...document.querySelectorAll("tr[data-peptide]")];

  // Columns sort by a click on their heading; data-value holds what is compared.
  document.querySelectorAll("th[data-sort]").forEach((heading) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      document.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const value = (row) => row.cells[heading.cellIndex].dataset.value;
      const numeric = heading.dataset.sort === "number";
      const compare = (a, b) => (numeric ? a - b : a.localeCompare(b));
      // Rows without a value come last either way.
      const known = rows.filter((row) => value(row) !== "");
      known.sort((a, b) => compare(value(a), value(b)) * (descending ? -1 : 1));
      heading.closest("table").tBodies[0].append(...known, ...rows.filter((row) => value(row) === ""));
    });
  });

  const canvas = document.createElement("canvas");
  if (!(canvas.getContext("webgl2") || canvas.getContext("webgl"))) {
    byId("no-webgl").hidden = false;
    return;
  }
  byId("viewer").hidden = false;
  document.body.classList.add("interactive");
  const [peptide, conformer, style] = ["peptide", "conformer", "style"].map(byId);
  const [native, nativeLabel, said] = ["native", "native-label", "said"].map(byId);
  const viewer = $3Dmol.createViewer(byId("stage"), { backgroundColor: "white", antialias: true });
  const rest = "Drag to turn, scroll to zoom; point at a residue to read its name.";

  const shade = (plddt) => (data.bands.find(([above]) => plddt > above) || data.bands.at(-1))[1];
  // A model of CA atoms alone has neither ribbon nor bonds.
  const add = (pdb, colour, radius) => viewer.addModel(pdb, "pdb").setStyle({}, {
    cartoon: { cartoon: { ...colour, arrows: true } },
    trace: { cartoon: { ...colour, style: "trace", thickness: radius * 2.2 } },
    sticks: { stick: { ...colour, radius: radius } },
  }[/^ATOM.{8} C  /m.test(pdb) ? style.value : "trace"]);

  function draw(turn) {
    const shown = data.peptides[peptide.value];
    viewer.removeAllModels();
    const chosen = conformer.value === "all" ? shown.models : [shown.models[conformer.value]];
    const colour = shown.confidence ? { colorfunc: (atom) => shade(atom.b) } : { color: data.plain };
    chosen.forEach((one) => add(one.pdb, colour, 0.2));
    if (shown.native && native.checked) add(shown.native, { color: data.native }, 0.16);
    const told = (atom) => `${chosen[atom.model] ? chosen[atom.model].label : "native"}: ` +
      `${atom.resn} ${atom.resi}${(atom.icode || "").trim()}, chain ${atom.chain}` +
      (chosen[atom.model] && shown.confidence ? `, pLDDT ${atom.b.toFixed(0)}` : "");
    viewer.setHoverable({}, true, (atom) => { said.textContent = told(atom); }, () => { said.textContent = rest; });
    if (turn) { viewer.setView([0, 0, 0, 0, 0, 0, 0, 1]); viewer.zoomTo(); }
    viewer.render();
    said.textContent = rest;
    rows.forEach((row) => row.classList.toggle("chosen", row.dataset.peptide === peptide.value));
  }

  function choose(index) {
    const shown = data.peptides[index];
    peptide.value = index;
    const options = shown.models.map((one, place) => new Option(one.label, place));
    if (options.length > 1) options.push(new Option(`all ${options.length}, superposed`, "all"));
    conformer.replaceChildren(...options);
    nativeLabel.hidden = !shown.native;
    draw(true);
  }

  data.peptides.forEach((one, index) => peptide.append(new Option(one.id, index)));
  rows.forEach((row) => {
    const cell = row.querySelector(".id");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    button.title = "show in 3D";
    cell.replaceChildren(button);
    const show = () => { choose(row.dataset.peptide); byId("viewer").scrollIntoView({ block: "nearest" }); };
    button.addEventListener("click", show);
    row.querySelector("img").addEventListener("click", show);
  });
  peptide.addEventListener("change", () => choose(peptide.value));
  for (const control of [conformer, style, native]) control.addEventListener("change", () => draw(false));
  byId("reset").addEventListener("click", () => draw(true));
  const step = (by) => choose((Number(peptide.value) + by + data.peptides.length) % data.peptides.length);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  new ResizeObserver(() => { viewer.resize(); }).observe(byId("stage"));
  // view.html#trp-cage opens at that peptide.
  const asked = data.peptides.findIndex((one) => one.id === decodeURIComponent(location.hash.slice(1)));
  choose(Math.max(asked, 0));
})();
