// The timeline of a session: its rows, the strip below, its buttons and what is said about it.

class Timeline {
  constructor(box) {
    this.box = box;
    const part = (name) => box.querySelector(name);
    this.rows = part("canvas.rows");
    this.strip = part("canvas.whole");
    this.tip = part(".tip");
    this.details = part(".details");
    this.which = part(".which");
    this.span = part(".span");
    this.jumps = part(".jumps");
    this.state = { hover: null, select: null, chosen: null };
    this.sessions = new Map();
    this.view = new View(0, 1, () => this.changed());
    this.buttons(part);
    watchPointers(this.rows, this.view, this);
    watchWheel(this.rows, this.view);
    watchKeys(this.rows, this.view, this);
    watchWhole(this.strip, this.view);
    this.which.addEventListener("change", () => this.open(this.which.value));
    new ResizeObserver(() => this.changed()).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
  }

  buttons(part) {
    const does = {
      closer: () => this.view.zoom(0.5),
      wider: () => this.view.zoom(2),
      earlier: () => this.view.move(-0.5),
      later: () => this.view.move(0.5),
      all: () => this.view.whole(),
      before: () => this.step(-1),
      after: () => this.step(1),
    };
    for (const [name, act] of Object.entries(does)) part(`button.${name}`).addEventListener("click", act);
  }

  // Of several that were asked for while one was being unpacked, the last is shown.
  async open(id) {
    this.wanted = id;
    this.which.value = id;
    if (!this.sessions.has(id)) this.sessions.set(id, unpack(id));
    const session = await this.sessions.get(id);
    if (this.wanted !== id || this.session === session) return;
    this.session = session;
    this.box.hidden = false;
    this.painter = new Painter(this.rows, session);
    this.whole = new Painter(this.strip, session);
    const room = Math.max((session.over - session.begun) * 0.01, 50);
    this.view.limits = [session.begun - room, session.over + room];
    this.choose(null);
    this.listJumps();
    this.view.whole();
  }

  // ---------------------------------------------------------------- drawing

  changed() {
    if (!this.session || this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    this.painter.draw(this.view, this.state);
    drawWhole(this.whole, this.view);
    const text = `${clock(this.view.from, 2)} to ${clock(this.view.to, 2)}, ${clock(this.view.span, 2)} long`;
    this.span.textContent = text;
    Object.assign(this.rows.dataset, {
      from: this.view.from.toFixed(1), to: this.view.to.toFixed(1), detail: this.painter.detail,
    });
    this.rows.setAttribute("aria-label", `Timeline of the session, ${text}`);
  }

  recolour() {
    if (!this.session) return;
    this.painter.colours = this.whole.colours = colours();
    this.changed();
  }

  // ---------------------------------------------------------------- what hands do

  hover(x, y) {
    this.state.hover = x;
    this.changed();
    const found = find(this.painter, x, y);
    this.tip.hidden = !found;
    if (!found) return;
    this.tip.replaceChildren();
    for (const [name, text] of found.lines) {
      const line = element("div");
      line.append(element("b", name), ` ${text}`);
      this.tip.append(line);
    }
    const width = this.tip.offsetWidth;
    const left = x + 14 + width > this.rows.clientWidth ? Math.max(x - width - 14, 2) : x + 14;
    const top = Math.min(y + 14, this.rows.clientHeight - this.tip.offsetHeight - 4);
    this.tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(top, 2))}px)`;
  }

  leave() {
    this.tip.hidden = true;
    this.state.hover = null;
    this.changed();
  }

  select(from, to) {
    this.state.select = from === null ? null : [from, to];
    this.changed();
  }

  click(x, y) {
    const found = find(this.painter, x, y);
    this.hover(x, y);
    this.choose(found ? found.utterance : null);
  }

  choose(number) {
    this.state.chosen = number;
    describe(this.details, this.session, number);
    this.changed();
  }

  // To the next utterance, or the one before; to the first in view where none is selected.
  step(by) {
    const list = this.session.utterances;
    if (!list.length) return;
    const order = [...list.keys()].sort((a, b) => list[a].begin - list[b].begin);
    const now = order.indexOf(this.state.chosen);
    const inView = order.findIndex((u) => list[u].end >= this.view.from);
    const next = now < 0 ? Math.max(inView, 0) : Math.min(Math.max(now + by, 0), order.length - 1);
    const each = list[order[next]];
    const span = Math.max((each.end - each.begin) * 1.4, 1500);
    this.view.show((each.begin + each.end - span) / 2, (each.begin + each.end + span) / 2);
    this.choose(order[next]);
  }

  // Show a word by where it ends; its utterance is selected.
  go(at) {
    const { ends, order, words } = this.session;
    const k = nearest(ends, at);
    const number = k < 0 || Math.abs(ends[k] - at) > 1 ? null : words.owner[order[k]];
    const each = number === null ? { begin: at - 1500, end: at + 1500 } : this.session.utterances[number];
    const span = Math.max((each.end - each.begin) * 1.4, 2000);
    this.view.show((each.begin + each.end - span) / 2, (each.begin + each.end + span) / 2);
    this.choose(number);
    this.box.scrollIntoView({ block: "nearest" });
    this.rows.focus({ preventScroll: true });
  }

  listJumps() {
    // What an outage names as its fault is not listed again.
    const { shades } = this.session;
    const outages = shades.filter((each) => each.kind === "outage");
    const wanted = shades.filter((each) => each.kind === "outage" || (each.kind === "fault"
      && !outages.some((one) => each.begun >= one.begun && each.begun <= one.over && each.over <= one.over))).slice(0, 24);
    this.jumps.hidden = !wanted.length;
    this.jumps.replaceChildren(element("span", "Go to", "dim"));
    for (const each of wanted) {
      const button = element("button", `${each.text} ${clock(each.begun, 1)}`);
      button.addEventListener("click", () => {
        const span = Math.max(each.over - each.begun, 500);
        this.view.show(each.begun - span * 0.4, each.over + span * 0.6);
      });
      this.jumps.append(button);
    }
  }
}
