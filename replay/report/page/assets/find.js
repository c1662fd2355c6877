// What lies under a pointer, in words.

function nearest(column, value) {
  const at = lower(column, value);
  if (at === 0) return column.length ? 0 : -1;
  if (at === column.length) return at - 1;
  return value - column[at - 1] < column[at] - value ? at - 1 : at;
}

// The row at a height, and what of it is near: lines of text, and an utterance if it is one's.
function find(painter, x, y) {
  const row = Object.values(painter.layout.rows).find((each) => y >= each.top && y < each.top + each.height + 6);
  if (!row) return null;
  const t = painter.from + x / painter.scale;
  const reach = 14 / painter.scale;
  const seek = finders[row.name];
  const found = seek ? seek(painter, t, reach, y, row) : null;
  return found && { lines: [], utterance: null, ...found, row: row.name };
}

const finders = {
  events({ session }, t, reach) {
    const fault = session.shades.find((each) => each.kind === "fault" && Math.abs(each.begun - t) < reach);
    const within = session.shades.filter((each) => t >= each.begun && t <= each.over && each !== fault);
    const connection = session.connections.find((each) => t >= each.opened && t <= each.lost);
    const stall = session.stalls.find(([begin, end]) => t >= begin - reach / 2 && t <= end + reach / 2);
    const lines = [];
    if (fault) lines.push(["fault", `${fault.text} at ${clock(fault.begun, 2)}${fault.over > fault.begun ? `, for ${milliseconds(fault.over - fault.begun)}` : ""}`]);
    for (const each of within) lines.push([each.kind, `${each.text}: ${milliseconds(each.over - each.begun)}`]);
    if (connection) lines.push([`connection ${connection.number}`, `${clock(connection.opened, 1)} to ${clock(connection.lost, 1)}${connection.why ? ` (${connection.why})` : ""}`]);
    if (stall) lines.push(["event loop stood still", milliseconds(stall[1] - stall[0])]);
    return lines.length ? { lines } : null;
  },

  latency(painter, t, reach, y) {
    const { session } = painter;
    const begin = lower(session.ends, t - reach);
    const end = lower(session.ends, t + reach);
    let best = -1;
    let least = Infinity;
    for (let k = begin; k < Math.min(end, begin + 400); k++) {
      for (const column of [session.words.first, session.words.final]) {
        const value = column[session.order[k]] - session.ends[k];
        const apart = Math.hypot((session.ends[k] - t) * painter.scale, painter.yScale.y(value) - y);
        if (apart < least) [least, best] = [apart, k];
      }
    }
    return best < 0 ? null : aboutWord(painter, session.order[best]);
  },

  words(painter, t, reach) {
    const k = nearest(painter.session.ends, t + reach / 2);
    return k < 0 || Math.abs(painter.session.ends[k] - t) > 40 * reach ? null : aboutWord(painter, painter.session.order[k]);
  },

  frames({ session }, t, reach) {
    const { due, sent, again, connection } = session.frames;
    const k = nearest(sent, t);
    if (k < 0 || Math.min(Math.abs(sent[k] - t), Math.abs(due[k] - t)) > Math.max(reach, 60)) return null;
    return { lines: [
      ["audio until", clock(due[k], 2)],
      [again[k] ? "sent again" : "sent", `${milliseconds(sent[k] - due[k])} after it was spoken, on connection ${connection[k]}`],
    ] };
  },

  acks({ session }, t, reach) {
    const k = nearest(session.acks.t, t);
    if (k < 0 || Math.abs(session.acks.t[k] - t) > Math.max(reach, 60)) return null;
    const took = session.acks.t[k] - session.acks.sent[k];
    return { lines: [["acknowledged", `at ${clock(session.acks.t[k], 2)}${Number.isNaN(took) ? "" : `, ${milliseconds(took)} after it was sent`}`]] };
  },

  speech({ session }, t, reach) {
    const near = session.speech.filter((each) => Math.min(Math.abs(each.t - t), Math.abs(each.at - t)) < reach);
    if (!near.length) return null;
    return { lines: near.slice(0, 3).map((each) => [
      each.begins ? "speech begins" : "speech ends",
      `at ${clock(each.at, 2)}, told ${milliseconds(each.t - each.at)} later`,
    ]) };
  },

  partials: (painter, t, reach, y, row) => aboutUtterance(painter, t, y, row),
  finals: (painter, t, reach, y, row) => aboutUtterance(painter, t, y, row),
};

function aboutWord(painter, word) {
  const { words } = painter.session;
  const since = (column) => milliseconds(column[word] - words.end[word]);
  return {
    utterance: words.owner[word],
    lines: [
      [painter.text(word), `ends at ${clock(words.end[word], 2)}`],
      ["shown", `after ${since(words.first)}`],
      ["stable", `after ${since(words.stable)}`],
      ["final", `after ${since(words.final)}`],
    ],
  };
}

function aboutUtterance(painter, t, y, row) {
  const { session } = painter;
  let best = -1;
  let least = 30 / painter.scale;
  session.utterances.forEach((each, u) => {
    if (session.channels > 1) {
      const lane = painter.lane(row, each.channel);
      if (y < lane.top || y > lane.top + lane.height) return;
    }
    const apart = t < each.begin ? each.begin - t : t > each.end ? t - each.end : 0;
    if (apart < least) [least, best] = [apart, u];
  });
  if (best < 0) return null;
  const utterance = session.utterances[best];
  const versions = unfold(utterance);
  const last = versions[versions.length - 1];
  const lines = [["utterance", last.words.map((word) => word.text).join(" ") || "(no words)"]];
  lines.push(["versions", `${versions.length}${utterance.final ? ", the last is final" : ", none of them final"}`]);
  if (row.name === "partials" && painter.detail !== "columns") {
    const near = versions.reduce((a, b) => (Math.abs(b.t - t) < Math.abs(a.t - t) ? b : a));
    lines.push(["came", `${clock(near.t, 2)}, ${milliseconds(near.t - near.end)} behind the audio it reaches`]);
  } else if (utterance.final) {
    lines.push(["final", `${milliseconds(last.t - last.end)} after its end`]);
  }
  return { utterance: best, lines };
}
