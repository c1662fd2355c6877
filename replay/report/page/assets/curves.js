// Under the curves: what share of each lies at or below the value under the pointer.

function readCurves(field, out) {
  const low = Number(field.dataset.low);
  const high = Number(field.dataset.high);
  const height = Number(field.dataset.height);
  const logarithmic = field.dataset.log === "1";
  const curves = [...field.querySelectorAll("path.curve")].map((path) => ({
    label: path.dataset.label,
    corners: path.getAttribute("d").slice(1).split("L").map((corner) => corner.split(" ").map(Number)),
  })).reverse();
  const cross = document.createElementNS("http://www.w3.org/2000/svg", "line");
  cross.setAttribute("class", "cross");
  cross.setAttribute("y2", String(height));

  const share = (corners, x) => {
    let level = corners[0][1];
    for (const [at, y] of corners) {
      if (at > x) break;
      level = y;
    }
    return 1 - level / height;
  };
  const read = (event) => {
    const box = field.getBoundingClientRect();
    const at = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    const value = logarithmic ? low * (high / low) ** at : low + at * (high - low);
    cross.setAttribute("x1", `${at * 100}%`);
    cross.setAttribute("x2", `${at * 100}%`);
    field.append(cross);
    out.hidden = false;
    const told = curves.map(({ label, corners }) => `${label} ${(share(corners, at * 1000) * 100).toFixed(1)} %`);
    out.textContent = `at or below ${milliseconds(value)}: ${told.join(", ")}`;
  };
  field.addEventListener("pointermove", read);
  field.addEventListener("pointerdown", read);
  field.addEventListener("pointerleave", () => {
    cross.remove();
    out.textContent = "";
  });
}
