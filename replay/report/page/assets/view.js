// What stretch of a session is in view, and what a hand, a wheel or a key makes of it.

const CLOSEST = 50;

class View {
  // `changed` is called when the stretch is another one.
  constructor(begin, end, changed) {
    this.limits = [begin, end];
    this.from = begin;
    this.to = end;
    this.changed = changed;
  }

  get span() {
    return this.to - this.from;
  }

  show(from, to) {
    const [begin, end] = this.limits;
    const span = Math.min(Math.max(to - from, CLOSEST), end - begin);
    const middle = (from + to) / 2;
    this.from = Math.min(Math.max(middle - span / 2, begin), end - span);
    this.to = this.from + span;
    this.changed();
  }

  zoom(factor, around = (this.from + this.to) / 2) {
    const share = (around - this.from) / this.span;
    const span = Math.min(Math.max(this.span * factor, CLOSEST), this.limits[1] - this.limits[0]);
    this.show(around - share * span, around + (1 - share) * span);
  }

  move(share) {
    const by = this.span * share;
    this.show(this.from + by, this.to + by);
  }

  whole() {
    this.show(...this.limits);
  }

  // Bring a moment to the middle, at least as close as `span`.
  centre(at, span) {
    const wanted = Math.min(this.span, span);
    this.show(at - wanted / 2, at + wanted / 2);
  }
}

// Pointers over the rows: drag to select a stretch (a finger moves instead), two fingers to zoom.
function watchPointers(canvas, view, act) {
  const down = new Map();
  let start = null;
  let pinch = null;
  const x = (event) => event.clientX - canvas.getBoundingClientRect().left;
  const time = (at) => view.from + (at / canvas.clientWidth) * view.span;

  const pair = () => {
    const [a, b] = [...down.values()];
    return { middle: (a + b) / 2, apart: Math.max(Math.abs(a - b), 12) };
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, x(event));
    if (down.size === 2) {
      pinch = { ...pair(), from: view.from, span: view.span };
      start = null;
    } else if (down.size === 1) {
      start = { x: x(event), y: event.offsetY, from: view.from, to: view.to, moved: false };
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId)) {
      act.hover(x(event), event.offsetY);
      return;
    }
    down.set(event.pointerId, x(event));
    if (pinch && down.size === 2) {
      const now = pair();
      const around = pinch.from + (pinch.middle / canvas.clientWidth) * pinch.span;
      const span = (pinch.span * pinch.apart) / now.apart;
      const from = around - (now.middle / canvas.clientWidth) * span;
      view.show(from, from + span);
    } else if (start) {
      const by = x(event) - start.x;
      start.moved ||= Math.abs(by) > 4;
      if (!start.moved) return;
      act.leave();
      if (event.pointerType === "touch" || event.shiftKey) {
        const moved = (by / canvas.clientWidth) * (start.to - start.from);
        view.show(start.from - moved, start.to - moved);
      } else {
        act.select(time(start.x), time(x(event)));
      }
    }
  });
  const up = (event) => {
    down.delete(event.pointerId);
    if (pinch) {
      if (!down.size) pinch = null;
      return;
    }
    if (!start) return;
    const mouse = event.pointerType !== "touch" && !event.shiftKey;
    if (!start.moved && event.type === "pointerup") act.click(start.x, start.y);
    else if (start.moved && mouse && event.type === "pointerup") {
      const [from, to] = [time(start.x), time(x(event))].sort((a, b) => a - b);
      view.show(from, to);
    }
    act.select(null);
    start = null;
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => act.leave());
  canvas.addEventListener("dblclick", () => view.zoom(4));
}

// A page is scrolled with a wheel: it zooms with Ctrl, which is what a trackpad's pinch sends, and
// once the rows have been clicked into.
function watchWheel(canvas, view) {
  canvas.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      view.move(sideways / canvas.clientWidth);
    } else if (event.ctrlKey || event.metaKey || document.activeElement === canvas) {
      event.preventDefault();
      const at = event.clientX - canvas.getBoundingClientRect().left;
      view.zoom(Math.exp(event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), view.from + (at / canvas.clientWidth) * view.span);
    }
  }, { passive: false });
}

function watchKeys(canvas, view, act) {
  const keys = {
    ArrowLeft: () => view.move(-0.2),
    ArrowRight: () => view.move(0.2),
    "+": () => view.zoom(0.5),
    "=": () => view.zoom(0.5),
    ArrowUp: () => view.zoom(0.5),
    "-": () => view.zoom(2),
    ArrowDown: () => view.zoom(2),
    Home: () => view.whole(),
    n: () => act.step(1),
    p: () => act.step(-1),
    Escape: () => { act.choose(null); canvas.blur(); },
  };
  canvas.addEventListener("keydown", (event) => {
    const does = keys[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  });
}

// The strip below: its window is dragged, and anywhere else a window is drawn.
function watchWhole(canvas, view) {
  let grip = null;
  const time = (event) => {
    const box = canvas.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    return view.limits[0] + share * (view.limits[1] - view.limits[0]);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    const at = time(event);
    const inside = at > view.from && at < view.to && view.span < 0.98 * (view.limits[1] - view.limits[0]);
    grip = { at, from: view.from, to: view.to, inside };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const at = time(event);
    if (grip.inside) view.show(grip.from + at - grip.at, grip.to + at - grip.at);
    else if (Math.abs(at - grip.at) > 0.004 * (view.limits[1] - view.limits[0])) {
      view.show(Math.min(at, grip.at), Math.max(at, grip.at));
    }
  });
  const up = (event) => {
    if (grip && !grip.inside && Math.abs(time(event) - grip.at) <= 0.004 * (view.limits[1] - view.limits[0])) {
      view.show(grip.at - view.span / 2, grip.at + view.span / 2);
    }
    grip = null;
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", () => { grip = null; });
}
