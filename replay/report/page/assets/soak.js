// Over the plots of a soak: what each was at the moment under the pointer, all at once.

const soakLines = (field) => [...field.querySelectorAll("path.over")].map((path) => ({
  label: path.dataset.label,
  points: path.getAttribute("d").split(/[ML]/).slice(1).map((point) => point.split(" ").map(Number)),
}));

/** The value of a line where it is nearest to `x`, or nothing where it has a gap. */
function soakValue(field, points, x) {
  const { bottom, top, steep, height } = field.dataset;
  let nearest = null;
  for (const point of points) {
    if (!nearest || Math.abs(point[0] - x) < Math.abs(nearest[0] - x)) nearest = point;
  }
  if (!nearest || Math.abs(nearest[0] - x) > 30) return null;
  const [low, high] = [Number(bottom), Number(top)];
  const share = 1 - nearest[1] / Number(height);
  return steep === "1" ? low * (high / low) ** share : low + share * (high - low);
}

const soakNumber = (value) => {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
};

const soakClock = (exact) => {
  const seconds = Math.round(exact);
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
};

function soakOnPage() {
  const out = document.querySelector("#course .read");
  if (!out) return;
  const fields = [...document.querySelectorAll("#course svg.field")];
  const lines = new Map(fields.map((field) => [field, soakLines(field)]));
  const crosses = new Map(fields.map((field) => {
    const cross = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cross.setAttribute("class", "cross");
    cross.setAttribute("y2", String(field.getAttribute("height") - 26));
    return [field, cross];
  }));
  out.hidden = false;
  out.textContent = "Point at a moment to read what everything was then.";

  const read = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    const over = Number(fields.find((field) => field.dataset.over)?.dataset.over ?? 0);
    const told = [];
    for (const field of fields) {
      if (!field.checkVisibility()) continue;
      const cross = crosses.get(field);
      cross.setAttribute("x1", `${at * 100}%`);
      cross.setAttribute("x2", `${at * 100}%`);
      field.append(cross);
      const values = [];
      for (const { label, points } of lines.get(field)) {
        const value = soakValue(field, points, at * 1000);
        if (value !== null) values.push(`${label} ${soakNumber(value)}`);
      }
      const title = field.getAttribute("aria-label").replace(", over time", "");
      if (values.length) told.push(`${title}: ${values.join(", ")}`);
    }
    out.textContent = `${soakClock((at * over) / 1000)} · ${told.join(" · ")}`;
  };
  for (const field of fields) {
    field.addEventListener("pointermove", read);
    field.addEventListener("pointerdown", read);
  }
}
