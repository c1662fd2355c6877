// The rows of the timeline, drawn for the stretch in view. What would not be seen is left out: of
// crowds only columns are drawn, and text only where there is room to read it.

const FONT = '11px system-ui, -apple-system, "Segoe UI", sans-serif';
const CROWD = 2500;
const LINE = 17;
// Text may be squeezed to this share of its width.
const NARROW = 0.7;
const NAMES = [
  "page", "card", "line", "faint", "ink", "dim", "one", "two", "outage", "down", "fault", "wave",
  "wave-in", "late", "again", "sent", "acked", "back", "speech", "partial", "select",
];

function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// Which rows there are, from the top down; `label` is written into them.
function layout(session) {
  const lanes = Math.min(session.channels, 4);
  const partials = Math.max(0, ...session.utterances.map((each) => each.told.length - (each.final ? 1 : 0)));
  const tall = Math.min(Math.max(partials * LINE + 18, 44), lanes === 1 ? 150 : 96) * lanes;
  const wanted = [
    ["axis", 20, ""],
    ["events", 34, ""],
    ["latency", 92, "latency of each word, ms"],
    ["audio", session.loud ? 48 : 0, "audio"],
    ["words", 20, session.anchor === "words" ? "said" : "said, by the service's own times"],
    ["frames", 34, "audio: spoken ╲ sent"],
    ["acks", 28, "sent ╲ acknowledged"],
    ["speech", session.speech.length ? 20 : 0, "speech, by the service"],
    ["partials", partials ? tall : 0, "partials: how far each reached ┄ when it came"],
    ["finals", lanes === 1 ? 40 : 30 * lanes, "finals"],
  ].filter(([, height]) => height);
  let top = 0;
  const rows = {};
  for (const [name, height, label] of wanted) {
    rows[name] = { name, top, height, label };
    top += height + 6;
  }
  return { rows, height: top };
}

class Painter {
  constructor(canvas, session) {
    this.canvas = canvas;
    this.session = session;
    this.layout = layout(session);
    this.ctx = canvas.getContext("2d");
    this.colours = colours();
  }

  // Sized in pixels of the screen, drawn in those of the page.
  fit(height) {
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    if (this.canvas.width !== Math.round(width * ratio) || this.height !== height) {
      this.canvas.style.height = `${height}px`;
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.height = height;
    }
    this.width = width;
    this.ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.ctx.clearRect(0, 0, width, height);
    this.ctx.font = FONT;
    this.ctx.textBaseline = "middle";
    this.ctx.lineWidth = 1;
  }

  aim(from, to) {
    this.from = from;
    this.to = to;
    this.scale = this.width / (to - from);
  }

  x(t) {
    return (t - this.from) * this.scale;
  }

  // How closely things are drawn: text, single marks, or columns.
  get detail() {
    if (this.scale > 0.07) return "text";
    return this.scale > 0.004 ? "marks" : "columns";
  }

  draw(view, state) {
    this.fit(this.layout.height);
    this.aim(view.from, view.to);
    const { rows } = this.layout;
    this.shade();
    if (state.chosen !== null) this.choose(this.session.utterances[state.chosen]);
    for (const row of Object.values(rows)) this[row.name](row);
    for (const row of Object.values(rows)) this.label(row);
    if (state.select) this.box(...state.select);
    if (state.hover !== null) this.upright(state.hover, this.colours.dim, 0, this.layout.height);
  }

  rect(x, y, width, height, colour) {
    const left = Math.max(x, -1);
    const right = Math.min(x + width, this.width + 1);
    if (right <= left) return;
    this.ctx.fillStyle = colour;
    this.ctx.fillRect(left, y, right - left, height);
  }

  upright(x, colour, top, bottom) {
    this.ctx.fillStyle = colour;
    this.ctx.fillRect(Math.round(x), top, 1, bottom - top);
  }

  // `text` from `x` on, narrowed a little where it must be; else cut short where it may be.
  write(text, x, y, room, colour, cut = false) {
    if (room < 8 || !text) return;
    const width = this.ctx.measureText(text).width;
    let shown = text;
    if (width * NARROW > room) {
      if (!cut || room < 24) return;
      let length = Math.floor((text.length * room) / width) - 1;
      while (length > 1 && this.ctx.measureText(`${text.slice(0, length)}…`).width > room) length--;
      shown = `${text.slice(0, length)}…`;
    }
    this.ctx.fillStyle = colour;
    this.ctx.fillText(shown, x, y, room);
  }

  label(row) {
    const crowd = row.name === "partials" && this.detail === "columns";
    const text = crowd ? "partials, in columns: how far behind the audio, full height 3 s; above, words taken back" : row.label;
    if (text) this.plate(text, 7, row.top + 7);
    if (row.name === "latency") this.scaleText();
  }

  // Text that stays readable over whatever is below it.
  plate(text, x, y) {
    this.ctx.globalAlpha = 0.82;
    this.rect(x - 3, y - 7, this.ctx.measureText(text).width + 6, 14, this.colours.page);
    this.ctx.globalAlpha = 1;
    this.ctx.fillStyle = this.colours.dim;
    this.ctx.fillText(text, x, y);
  }

  box(a, b) {
    const [from, to] = [Math.min(a, b), Math.max(a, b)];
    this.rect(this.x(from), 0, this.x(to) - this.x(from), this.layout.height, this.colours.select);
    this.upright(this.x(from), this.colours.partial, 0, this.layout.height);
    this.upright(this.x(to), this.colours.partial, 0, this.layout.height);
  }

  choose(utterance) {
    const { finals } = this.layout.rows;
    const partials = this.layout.rows.partials || finals;
    const left = this.x(utterance.begin) - 3;
    const width = this.x(utterance.end) - left + 3;
    this.rect(left, partials.top, width, finals.top + finals.height - partials.top, this.colours.select);
  }

  shade() {
    const kinds = { outage: this.colours.outage, down: this.colours.down };
    const bottom = this.layout.height;
    for (const each of this.session.shades) {
      const x = this.x(each.begun);
      if (each.kind === "fault") {
        this.ctx.globalAlpha = 0.14;
        this.rect(x, 20, this.x(each.over) - x, bottom, this.colours.fault);
        this.ctx.globalAlpha = 0.9;
        for (let y = 20; y < bottom; y += 6) this.upright(x, this.colours.fault, y, y + 3);
        this.ctx.globalAlpha = 1;
      } else {
        this.rect(x, 20, Math.max(this.x(each.over) - x, 1), bottom, kinds[each.kind]);
      }
    }
  }
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((part) => part * power).find((each) => each >= value * 0.9999);
}
