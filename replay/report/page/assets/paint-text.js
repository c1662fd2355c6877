// Rows of what was understood. `this` is a `Painter`.

Object.assign(Painter.prototype, {
  visible() {
    return this.session.utterances.filter((each) => each.end >= this.from && each.begin <= this.to);
  },

  // The part of a row that belongs to a channel.
  lane(row, channel) {
    const head = 14;
    const height = (row.height - head) / this.session.channels;
    return { top: row.top + head + channel * height, height };
  },

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
  },

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
  },

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
  },

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
  },
});
