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

  // ---------------------------------------------------------------- the axis and what happened

  axis(row) {
    const steps = [10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5];
    const step = steps.find((each) => each * this.scale >= 72) || 72e5;
    const digits = step < 100 ? 2 : step < 1000 ? 1 : 0;
    for (let t = Math.ceil(this.from / step) * step; t <= this.to; t += step) {
      const x = this.x(t);
      this.upright(x, this.colours.faint, row.top + row.height, this.layout.height);
      this.upright(x, this.colours.line, row.top + 14, row.top + row.height);
      const text = clock(t, digits);
      const half = this.ctx.measureText(text).width / 2;
      this.ctx.fillStyle = this.colours.dim;
      this.ctx.fillText(text, Math.min(Math.max(x - half, 2), this.width - 2 * half - 2), row.top + 7);
    }
    this.rect(0, row.top + row.height, this.width, 1, this.colours.line);
  }

  events(row) {
    const y = row.top + row.height - 5;
    for (const each of this.session.connections) {
      const x = Math.max(this.x(each.opened), 0);
      const end = Math.min(this.x(each.lost), this.width);
      if (end < 0 || x > this.width) continue;
      this.rect(x, y - 1, Math.max(end - x, 1), 3, this.colours.acked);
      const [long, short] = [`connection ${each.number}`, `${each.number}`];
      const fits = this.ctx.measureText(long).width < end - x - 8;
      this.write(fits ? long : short, x + 4, y - 9, end - x - 4, this.colours.dim);
    }
    for (const [begin, end] of this.session.stalls) {
      this.rect(this.x(begin), y + 3, Math.max(this.x(end) - this.x(begin), 1), 3, this.colours.late);
    }
    const marks = this.session.shades.filter((each) => each.kind === "fault").map((each) => [each.begun, each.text, this.colours.fault]);
    for (const [t, text] of [[this.session.stop, "stop"], [this.session.ended, "end"]]) {
      if (t !== null) marks.push([t, text, this.colours.dim]);
    }
    let taken = -Infinity;
    marks.forEach(([t, text, colour], k) => {
      const x = this.x(t);
      if (x < -2 || x > this.width + 2) return;
      this.upright(x, colour, row.top, row.top + row.height);
      const next = Math.min(k + 1 < marks.length ? this.x(marks[k + 1][0]) : Infinity, this.width);
      const width = this.ctx.measureText(text).width;
      if (next - x > Math.min(width, 60) + 6) this.write(text, x + 4, row.top + 8, Math.min(next - x - 6, 260), colour, true);
      else if (x - width - 4 > taken) this.write(text, x - width - 4, row.top + 8, width + 1, colour);
      taken = x + (next - x > width ? width : 0);
    });
  }

  // ---------------------------------------------------------------- latency

  latency(row) {
    const { words, order, ends } = this.session;
    const begin = lower(ends, this.from);
    const end = lower(ends, this.to);
    const late = (k, column) => column[order[k]] - ends[k];
    let most = 0;
    let least = 0;
    for (let k = begin; k < end; k++) {
      most = Math.max(most, late(k, words.final));
      least = Math.min(least, late(k, words.first));
    }
    const high = nice(most || 100);
    const low = least < 0 ? -nice(-least) : 0;
    const top = row.top + 16;
    const y = (value) => top + (1 - (value - low) / (high - low)) * (row.height - 18);
    this.yScale = { low, high, y };
    for (const share of [0, 0.5, 1]) {
      const value = share * high;
      this.rect(0, Math.round(y(value)), this.width, 1, share ? this.colours.faint : this.colours.line);
    }
    this.scaleText = () => [0, 0.5, 1].forEach((share) => {
      const text = `${(share * high).toLocaleString("en")}${share === 1 ? " ms" : ""}`;
      this.plate(text, this.width - this.ctx.measureText(text).width - 5, y(share * high) - (share === 1 ? -2 : share ? 0 : 6));
    });
    if (end - begin > CROWD) {
      this.columns(begin, end, y, (k) => late(k, words.final), this.colours.two);
      this.columns(begin, end, y, (k) => late(k, words.first), this.colours.one);
      return;
    }
    const size = end - begin > 400 ? 1.6 : 2.6;
    for (let k = begin; k < end; k++) {
      const x = this.x(ends[k]);
      const [first, final] = [y(late(k, words.first)), y(late(k, words.final))];
      if (end - begin < 400) this.rect(x - 0.5, Math.min(first, final), 1, Math.abs(first - final), this.colours.faint);
      this.dot(x, final, size, this.colours.two);
      this.dot(x, first, size, this.colours.one);
    }
  }

  dot(x, y, size, colour) {
    this.ctx.fillStyle = colour;
    this.ctx.beginPath();
    this.ctx.arc(x, y, size, 0, 7);
    this.ctx.fill();
  }

  // From the least to the most in each column of pixels.
  columns(begin, end, y, value, colour, least = 2) {
    const { ends } = this.session;
    this.ctx.fillStyle = colour;
    this.ctx.globalAlpha = 0.75;
    for (let k = begin; k < end;) {
      const column = Math.floor(this.x(ends[k]));
      let [low, high] = [Infinity, -Infinity];
      for (; k < end && this.x(ends[k]) < column + 1; k++) {
        low = Math.min(low, value(k));
        high = Math.max(high, value(k));
      }
      this.ctx.fillRect(column, y(high) - 1, least / 2, y(low) - y(high) + least);
    }
    this.ctx.globalAlpha = 1;
  }

  // ---------------------------------------------------------------- the audio and its way

  audio(row) {
    const { peak, rms, step } = this.session.loud;
    const middle = row.top + row.height / 2;
    const half = row.height / 2 - 2;
    for (const [levels, colour] of [[peak, this.colours.wave], [rms, this.colours["wave-in"]]]) {
      this.ctx.fillStyle = colour;
      for (let x = 0; x < this.width; x++) {
        const begin = Math.floor((this.from + x / this.scale) / step);
        const end = Math.max(Math.ceil((this.from + (x + 1) / this.scale) / step), begin + 1);
        let level = 0;
        for (let k = Math.max(begin, 0); k < Math.min(end, levels.length); k++) level = Math.max(level, levels[k]);
        if (level) this.ctx.fillRect(x, middle - (level / 255) * half, 1, Math.max((level / 127.5) * half, 1));
      }
    }
  }

  words(row) {
    const { words, order, ends } = this.session;
    const y = row.top + row.height / 2 + 4;
    const last = lower(ends, this.to + 2000);
    if (this.detail === "columns") return this.density(row, ends, this.colours.wave);
    for (let k = lower(ends, this.from); k < last; k++) {
      const word = order[k];
      const begin = this.x(words.start[word] > NOWHERE ? words.start[word] : ends[k] - 200);
      const end = this.x(ends[k]);
      if (begin > this.width) continue;
      this.rect(begin, row.top + row.height - 2, Math.max(end - begin - 1, 1), 2, this.colours.wave);
      const next = k + 1 < order.length ? this.x(words.start[order[k + 1]]) : Infinity;
      const room = Math.min(Math.max(next, end), end + 12) - begin - 3;
      if (this.detail === "text") this.write(this.text(word), begin, y, room, this.colours.ink, room > 40);
    }
    return undefined;
  }

  text(word) {
    const utterance = this.session.utterances[this.session.words.owner[word]];
    const versions = unfold(utterance);
    return versions[versions.length - 1].words[word - utterance.words[0]].text;
  }

  density(row, column, colour) {
    this.ctx.fillStyle = colour;
    let k = lower(column, this.from);
    const end = lower(column, this.to);
    while (k < end) {
      const x = Math.floor(this.x(column[k]));
      const next = lower(column, this.from + (x + 1) / this.scale);
      this.ctx.globalAlpha = Math.min(0.25 + (next - k) * 0.12, 1);
      this.ctx.fillRect(x, row.top + row.height - 5, 1, 5);
      k = Math.max(next, k + 1);
    }
    this.ctx.globalAlpha = 1;
  }

  // Audio leaves at the top when the plan has it spoken, and arrives at the bottom when it was
  // handed to the socket: a slant is lateness.
  frames(row) {
    const { due, sent, again } = this.session.frames;
    const { late, unsent } = this.session;
    const colour = (k) => (again[k] ? this.colours.again : sent[k] - due[k] > late ? this.colours.late : this.colours.sent);
    this.slants(row, due, sent, colour, (k) => (again[k] ? 2 : sent[k] - due[k] > late ? 1 : 0));
    if (unsent) this.rect(this.x(unsent[0]), row.top + 14, this.x(unsent[1]) - this.x(unsent[0]), row.height - 14, this.colours.down);
  }

  acks(row) {
    const { t, sent } = this.session.acks;
    this.slants(row, sent, t, () => this.colours.acked, () => 0);
  }

  // Lines from one time to another; of a column of pixels the most telling, then the longest.
  slants(row, from, to, colour, weight) {
    const [top, bottom] = [row.top + 14, row.top + row.height];
    let end = lower(to, this.to);
    while (end < to.length && from[end] <= this.to) end++;
    const begin = lower(to, this.from);
    const crowded = end - begin > this.width;
    for (let k = begin; k < end;) {
      let pick = k++;
      if (crowded) {
        const column = Math.floor(this.x(to[pick]));
        for (; k < end && Math.floor(this.x(to[k])) === column; k++) {
          const more = weight(k) - weight(pick) || to[k] - from[k] - (to[pick] - from[pick]);
          if (more > 0) pick = k;
        }
      }
      const [a, b] = [this.x(Number.isNaN(from[pick]) ? to[pick] : from[pick]), this.x(to[pick])];
      if (crowded && b - a < 2) {
        this.rect(Math.floor(b), top, 1, bottom - top, colour(pick));
        continue;
      }
      this.ctx.strokeStyle = colour(pick);
      this.ctx.beginPath();
      this.ctx.moveTo(a, top);
      this.ctx.lineTo(b, bottom);
      this.ctx.stroke();
    }
  }

  speech(row) {
    const y = row.top + row.height - 6;
    for (const [begin, end] of this.spoken()) {
      const [a, b] = [this.x(begin.at), end ? this.x(end.at) : this.width];
      if (b < 0 || a > this.width) continue;
      this.rect(a, y, Math.max(b - a, 1), 5, this.colours.speech);
      for (const each of [begin, end]) {
        if (each && this.detail !== "columns") this.lag(this.x(each.at), this.x(each.t), y + 2, this.colours.speech);
      }
    }
  }

  // Beginnings with the end that follows each.
  spoken() {
    if (this.pairs) return this.pairs;
    this.pairs = [];
    const open = {};
    for (const each of this.session.speech) {
      if (each.begins) this.pairs.push(open[each.channel] = [each, null]);
      else if (open[each.channel]) {
        open[each.channel][1] = each;
        open[each.channel] = null;
      }
    }
    return this.pairs;
  }

  // From where something lies in the audio to when it came.
  lag(from, to, y, colour) {
    this.ctx.strokeStyle = colour;
    this.ctx.setLineDash([2, 3]);
    this.ctx.beginPath();
    this.ctx.moveTo(from, y);
    this.ctx.lineTo(to, y);
    this.ctx.stroke();
    this.ctx.setLineDash([]);
    this.rect(to - 1, y - 4, 2, 8, colour);
  }

  // ---------------------------------------------------------------- what was understood

  visible() {
    return this.session.utterances.filter((each) => each.end >= this.from && each.begin <= this.to);
  }

  // The part of a row that belongs to a channel.
  lane(row, channel) {
    const head = 14;
    const height = (row.height - head) / this.session.channels;
    return { top: row.top + head + channel * height, height };
  }

  partials(row) {
    if (this.detail === "columns") return this.partialColumns(row);
    for (const utterance of this.visible()) {
      const versions = unfold(utterance);
      const count = versions.length - (utterance.final ? 1 : 0);
      const lane = this.lane(row, utterance.channel);
      const step = Math.min(lane.height / Math.max(count, 1), LINE);
      for (let v = 0; v < count; v++) this.version(versions[v], lane.top + (v + 0.5) * step, step);
    }
    return undefined;
  }

  version(version, y, step) {
    const [start, end, came] = [this.x(version.start), this.x(version.end), this.x(version.t)];
    const readable = step >= 11 && this.detail === "text";
    const thick = Math.max(Math.min(step - 2, 3), 1);
    if (!readable) this.rect(start, y - thick / 2, Math.max(end - start, 1), thick, this.colours.wave);
    for (const word of version.words) {
      const x = this.x(word.start);
      const width = this.x(word.end) - x;
      if (readable) {
        const colour = word.back ? this.colours.back : word.kept ? this.colours.dim : this.colours.ink;
        this.write(word.text, x, y, width - 1, colour, width > 40);
        if (word.back) this.rect(x, y, Math.max(width - 2, 2), 1, this.colours.back);
      } else if (word.back) {
        this.rect(x, y - thick / 2 - 0.5, Math.max(width, 2), thick + 1, this.colours.back);
      } else if (!word.kept) {
        this.rect(x, y - thick / 2, Math.max(width - 1, 1), thick, this.colours.partial);
      }
    }
    this.lag(end, came, y, this.colours.partial);
  }

  // Too many to tell apart: how far behind the audio partials were, and where words were taken back.
  partialColumns(row) {
    const { t, end, back } = this.session.versions;
    const bottom = row.top + row.height;
    const high = 3000;
    for (let k = lower(t, this.from), last = lower(t, this.to); k < last;) {
      const column = Math.floor(this.x(t[k]));
      let [lag, taken] = [0, 0];
      for (; k < last && Math.floor(this.x(t[k])) === column; k++) {
        lag = Math.max(lag, t[k] - end[k]);
        taken += back[k];
      }
      const height = Math.min(lag / high, 1) * (row.height - 40);
      this.rect(column, bottom - height, 1, height, this.colours.partial);
      if (taken) this.rect(column, row.top + 18, 1, Math.min(2 + taken * 2, 16), this.colours.back);
    }
  }

  finals(row) {
    if (this.detail === "columns") {
      const utterances = this.session.utterances;
      this.finalTimes ||= Float64Array.from(utterances.filter((each) => each.final).map((each) => each.told[each.told.length - 1].t * TICK)).sort();
      this.density(row, this.finalTimes, this.colours.two);
      return;
    }
    for (const utterance of this.visible()) {
      if (!utterance.final) continue;
      const last = unfold(utterance)[utterance.told.length - 1];
      const lane = this.lane(row, utterance.channel);
      const [start, end] = [this.x(last.start), this.x(last.end)];
      const y = lane.top + lane.height / 2;
      const height = Math.min(lane.height - 3, 20);
      this.ctx.globalAlpha = 0.2;
      this.rect(start, y - height / 2, Math.max(end - start, 1), height, this.colours.two);
      this.ctx.globalAlpha = 1;
      this.rect(start, y - height / 2, 1, height, this.colours.two);
      this.lag(end, this.x(last.t), y, this.colours.two);
      const left = Math.max(start + 4, 4);
      const text = last.words.map((word) => word.text).join(" ");
      this.write(text, left, y, Math.min(end, this.width) - left - 2, this.colours.ink, true);
    }
  }
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((part) => part * power).find((each) => each >= value * 0.9999);
}

// The whole session, with the window that is in view.
function drawWhole(painter, view) {
  const height = 46;
  painter.fit(height);
  painter.aim(...view.limits);
  const { session, colours: tint, width } = painter;
  if (session.loud) painter.audio({ top: 0, height });
  const shade = { outage: tint.outage, down: tint.down, fault: tint.fault };
  for (const each of session.shades) {
    const x = painter.x(each.begun);
    const span = painter.x(each.over) - x;
    painter.ctx.globalAlpha = each.kind === "fault" ? 0.2 : 1;
    painter.rect(x, 0, each.kind === "fault" ? span : Math.max(span, 2), height, shade[each.kind]);
    painter.ctx.globalAlpha = 1;
    if (each.kind === "fault") painter.rect(x - 1, 0, 2, 7, tint.fault);
  }
  const high = nice(Math.max(100, ...painterMost(session)));
  painter.columns(0, session.ends.length, (value) => height - 2 - Math.min(value / high, 1) * (height - 4), (k) => session.words.final[session.order[k]] - session.ends[k], tint.two, 4);
  const [from, to] = [painter.x(view.from), painter.x(view.to)];
  painter.ctx.globalAlpha = 0.6;
  painter.rect(0, 0, from, height, tint.card);
  painter.rect(to, 0, width - to, height, tint.card);
  painter.ctx.globalAlpha = 1;
  painter.ctx.strokeStyle = tint.partial;
  painter.ctx.lineWidth = 2;
  painter.ctx.strokeRect(Math.max(from, 1), 1, Math.max(Math.min(to, width) - Math.max(from, 0) - 2, 3), height - 2);
}

function painterMost(session) {
  session.most ||= session.ends.reduce((most, end, k) => Math.max(most, session.words.final[session.order[k]] - end), 0);
  return [session.most];
}
