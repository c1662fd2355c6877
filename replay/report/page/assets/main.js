// The page stands without this; what follows makes it answer.

const curvesOnPage = () => {
  for (const panel of document.querySelectorAll(".panel")) {
    const out = panel.querySelector(".reading");
    if (!out) continue;
    out.hidden = false;
    for (const field of panel.querySelectorAll("svg.field[data-log]")) readCurves(field, out);
  }
};

async function timelineOnPage() {
  const box = document.querySelector(".timeline");
  if (!box) return;
  const first = box.querySelector(".which").value;
  try {
    const timeline = new Timeline(box);
    await timeline.open(first);
    for (const link of document.querySelectorAll("button.go")) {
      link.addEventListener("click", async () => {
        await timeline.open(link.dataset.session);
        timeline.go(Number(link.dataset.at));
      });
    }
    for (const field of document.querySelectorAll(".course svg.field")) {
      field.addEventListener("click", (event) => {
        const bounds = field.getBoundingClientRect();
        timeline.go(((event.clientX - bounds.left) / bounds.width) * Number(field.dataset.over));
      });
    }
    document.documentElement.dataset.timeline = "ready";
  } catch (error) {
    const note = document.getElementById("timeline-failed");
    note.hidden = false;
    note.textContent = `The timeline could not be drawn by this browser: ${error.message}`;
  }
}

// After the first paint: the verdict and the tables are there before any of this is looked at.
requestAnimationFrame(() => setTimeout(() => {
  curvesOnPage();
  soakOnPage();
  timelineOnPage();
}));
