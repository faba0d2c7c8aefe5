"""Style and script of the 3D viewer on the page of docked ligands."""

STYLE = """
body { max-width: 92rem; }
.facts { display: flex; flex-wrap: wrap; gap: .35rem 1.75rem; margin: 1rem 0 .5rem; padding: 0; }
.facts div { min-width: 0; } .facts dt { color: var(--soft); font-size: .8rem; } .facts dd { margin: 0;
  overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
details.notes { color: var(--soft); font-size: .9rem; margin: .5rem 0; } details.notes ul { margin: .35rem 0; }
.poses { display: grid; grid-template-columns: minmax(0, 11fr) minmax(0, 9fr); gap: 1.5rem; align-items: start;
  margin-top: 1.5rem; }
.stage { position: sticky; top: 1rem; }
.stage .viewer { height: min(44rem, calc(100vh - 8.5rem)); }
.bar { display: flex; flex-wrap: wrap; align-items: baseline; gap: .35rem .75rem; min-height: 2.1rem;
  margin-bottom: .4rem; }
.bar strong { flex: 1 1 10rem; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bar button { font: inherit; font-size: .8rem; color: var(--ink); background: var(--wash); cursor: pointer;
  border: 1px solid var(--line); border-radius: 999px; padding: .1rem .7rem; }
.bar button[aria-pressed=true] { border-color: var(--model); color: var(--model); }
.pose { display: grid; grid-template-columns: 13rem minmax(0, 1fr); gap: .25rem 1.25rem; padding: .9rem;
  margin-bottom: 1rem; border: 1px solid var(--line); border-radius: 8px; cursor: pointer; scroll-margin: 1rem; }
.pose:hover { border-color: var(--baseline); }
.pose[aria-current=true] { border-color: var(--model); box-shadow: inset 3px 0 0 var(--model); }
.pose h3 { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere; }
.pose h3 button { all: unset; cursor: pointer; } .pose h3 button:focus-visible { outline: 2px solid var(--model); }
.pose .rank { color: var(--soft); font-weight: 400; margin-right: .35rem; }
.pose .drawing { background: #fff; border-radius: 6px; align-self: start; }
.pose .drawing svg { display: block; width: 100%; height: auto; }
.pose .score { font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.pose .score small { font-size: .85rem; color: var(--soft); }
.pose .values { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: .2rem 0 .5rem; font-size: .88rem; }
.pose .values span { color: var(--soft); } .pose .values b { font-weight: 500; color: var(--ink); }
.verdict { margin: .1rem 0; font-size: .88rem; } .good::before { content: "✓ "; color: #2e7d32; font-weight: 700; }
.bad::before { content: "✗ "; color: #c62828; font-weight: 700; }
.row { grid-column: 1 / -1; } .pose code { font-size: .8rem; overflow-wrap: anywhere; }
.contacts { display: flex; flex-wrap: wrap; gap: .3rem; list-style: none; margin: .6rem 0 .3rem; padding: 0; }
.contacts li, .key li { display: inline-flex; align-items: center; gap: .35rem; font-size: .8rem;
  white-space: nowrap; }
.contacts li { padding: .05rem .55rem; background: var(--wash); border-radius: 999px;
  font-variant-numeric: tabular-nums; }
.contacts small { color: var(--soft); } .dot { width: .6rem; height: .6rem; border-radius: 50%; flex: none; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; list-style: none; margin: .5rem 0; padding: 0;
  color: var(--soft); }
@media (max-width: 62rem) {
  .poses { grid-template-columns: minmax(0, 1fr); }
  .stage { order: -1; top: 0; z-index: 1; background: var(--paper); padding-bottom: .5rem; }
  .stage .viewer { height: 42vh; } .pose { scroll-margin: 52vh; }
}
@media (max-width: 34rem) { .pose { grid-template-columns: minmax(0, 1fr); } }
@media print { .stage { display: none; } .poses { display: block; } .pose { break-inside: avoid; } }
"""

SCRIPT = """
addEventListener("load", () => {
  const {receptors, poses} = window.logosPoses, place = document.getElementById("pose-viewer");
  const cards = [...document.querySelectorAll(".pose")], name = document.getElementById("pose-name");
  let viewer, ligand, receptor, shown = -1, labelled = true, whole = true;
  const carbons = (colour) => ({prop: "elem", map: {...$3Dmol.elementColors.rasmol, C: colour}});
  const near = (pose) => pose.near.map(([chain, resi]) => ({model: receptor, chain, resi}));
  function draw() {
    const pose = poses[shown];
    viewer.removeAllShapes(); viewer.removeAllLabels();
    viewer.setStyle({model: receptor}, whole ? {cartoon: {color: "#cfd8e3", opacity: .55, thickness: .3}} : {});
    viewer.setStyle({model: receptor, hetflag: true},
      {stick: {radius: .12, colorscheme: carbons("#b9a7d6")}, sphere: {scale: .25}});
    for (const residue of near(pose))
      viewer.addStyle(residue, {stick: {radius: .11, colorscheme: carbons("#8797ab")}});
    viewer.setStyle({model: ligand}, {stick: {radius: .19, colorscheme: carbons("#12a594")}});
    for (const [start, end, color] of pose.lines)
      viewer.addCylinder({start, end, color, radius: .07, dashed: true, dashLength: .22, gapLength: .18,
        fromCap: 1, toCap: 1});
    if (labelled) for (const [text, position] of pose.labels)
      viewer.addLabel(text, {position, fontSize: 11, fontColor: "#1c2430", backgroundColor: "#ffffff",
        backgroundOpacity: .72, inFront: true, alignment: "center"});
    viewer.render();
  }
  function centre(milliseconds) {
    viewer.zoomTo({model: ligand}, milliseconds); viewer.zoom(.62, milliseconds); viewer.render();
  }
  function show(index) {
    const pose = poses[index];
    if (shown < 0 || poses[shown].receptor !== pose.receptor) {
      viewer.removeAllModels();
      receptor = viewer.addModel(receptors[pose.receptor], "cif");
    } else viewer.removeModel(ligand);
    ligand = viewer.addModel(pose.text, "sdf", {keepH: true});
    shown = index;
    cards.forEach((card, at) => card.setAttribute("aria-current", at === index));
    name.textContent = pose.title;
    draw();
    const view = viewer.getView();
    view.splice(4, 4, ...pose.turn);
    viewer.setView(view);
    centre(0);
    place.dataset.shown = index + 1;
    place.dataset.atoms = ligand.selectedAtoms({}).length;
    place.dataset.ready = receptor.selectedAtoms({}).length;
  }
  try {
    viewer = $3Dmol.createViewer(place, {backgroundColor: "white", antialias: true});
    viewer.setViewStyle({style: "outline", color: "#2a3442", width: .03});
    show(0);
  } catch (error) {
    place.textContent = "This browser cannot show 3D structures: " + error;
    return;
  }
  cards.forEach((card, index) => card.addEventListener("click", () => {
    if (!String(getSelection()) && index !== shown) show(index);
  }));
  const toggle = (id, act) => document.getElementById(id).addEventListener("click", (event) => {
    event.currentTarget.setAttribute("aria-pressed", act()); draw();
  });
  toggle("pose-labels", () => (labelled = !labelled));
  toggle("pose-fold", () => (whole = !whole));
  document.getElementById("pose-centre").addEventListener("click", () => centre(300));
});
"""
