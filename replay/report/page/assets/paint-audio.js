// Rows of what happened, of latency, and of the audio on its way. `this` is a `Painter`.

Object.assign(Painter.prototype, {
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
      this.ctx.fillText(text, Math.min(Math.max(x - half, 2), this.width - 2 * half - 2), row.top + 9);
    }
    this.rect(0, row.top + row.height, this.width, 1, this.colours.line);
  },

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
  },

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
  },

  dot(x, y, size, colour) {
    this.ctx.fillStyle = colour;
    this.ctx.beginPath();
    this.ctx.arc(x, y, size, 0, 7);
    this.ctx.fill();
  },

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
  },

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
  },

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
  },

  text(word) {
    const utterance = this.session.utterances[this.session.words.owner[word]];
    const versions = unfold(utterance);
    return versions[versions.length - 1].words[word - utterance.words[0]].text;
  },

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
  },

  // Audio leaves at the top when the plan has it spoken, and arrives at the bottom when it was
  // handed to the socket: a slant is lateness.
  frames(row) {
    const { due, sent, again } = this.session.frames;
    const { late, unsent } = this.session;
    const colour = (k) => (again[k] ? this.colours.again : sent[k] - due[k] > late ? this.colours.late : this.colours.sent);
    this.slants(row, due, sent, colour, (k) => (again[k] ? 2 : sent[k] - due[k] > late ? 1 : 0));
    if (unsent) this.rect(this.x(unsent[0]), row.top + 14, this.x(unsent[1]) - this.x(unsent[0]), row.height - 14, this.colours.down);
  },

  acks(row) {
    const { t, sent } = this.session.acks;
    this.slants(row, sent, t, () => this.colours.acked, () => 0);
  },

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
  },

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
  },

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
  },

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
  },
});
