// From what a page carries to columns of milliseconds.

const TICK = 0.1;
const NOWHERE = -1e10;

const inMs = (list) => Float64Array.from(list, (value) => value * TICK);

function summed(differences) {
  const column = new Float64Array(differences.length);
  let sum = 0;
  for (let k = 0; k < differences.length; k++) {
    sum += differences[k];
    column[k] = sum * TICK;
  }
  return column;
}

async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

const octets = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

function frames(packed) {
  const due = summed(packed.due);
  const sent = due.map((value, k) => value + packed.late[k] * TICK);
  const again = new Uint8Array(due.length);
  for (const [begin, end] of packed.again) again.fill(1, begin, end);
  const connection = new Int32Array(due.length);
  for (const [begin, number] of packed.connections) connection.fill(number, begin);
  return { due, sent, again, connection };
}

function acks(packed) {
  const t = summed(packed.t);
  return { t, sent: t.map((value, k) => (packed.took[k] < 0 ? NaN : value - packed.took[k] * TICK)) };
}

// Every version of every utterance as columns, by when it came: what is drawn when all is in view.
function versions(utterances) {
  const rows = [];
  utterances.forEach((utterance, u) => {
    utterance.told.forEach((told, v) => rows.push([told.t, told.start, told.end, u, v, told.back.length]));
  });
  rows.sort((a, b) => a[0] - b[0]);
  const column = (place) => Float64Array.from(rows, (row) => row[place]);
  return {
    t: column(0).map((value) => value * TICK),
    start: column(1).map((value) => value * TICK),
    end: column(2).map((value) => value * TICK),
    utterance: column(3),
    version: column(4),
    back: column(5),
  };
}

function span(utterance) {
  let begin = Infinity;
  let end = -Infinity;
  for (const told of utterance.told) {
    begin = Math.min(begin, told.start, told.t);
    end = Math.max(end, told.t, told.end);
  }
  return [begin * TICK, end * TICK];
}

async function unpack(id) {
  const packed = await inflated(document.getElementById(id).textContent);
  const words = Object.fromEntries(
    Object.entries(packed.words).map(([name, column]) => [name, inMs(column)]),
  );
  const owner = new Int32Array(words.end.length);
  const utterances = packed.utterances.map((utterance, u) => {
    owner.fill(u, utterance.words[0], utterance.words[0] + utterance.words[1]);
    const [begin, end] = span(utterance);
    return { ...utterance, begin, end };
  });
  const order = Array.from(words.end.keys())
    .filter((k) => words.end[k] > NOWHERE)
    .sort((a, b) => words.end[a] - words.end[b]);
  return {
    ...packed,
    begun: packed.begun * TICK,
    over: packed.over * TICK,
    late: packed.late * TICK,
    loud: packed.loud && {
      step: packed.loud.step * TICK,
      peak: octets(packed.loud.peak),
      rms: octets(packed.loud.rms),
    },
    frames: frames(packed.frames),
    acks: acks(packed.acks),
    unsent: packed.unsent && packed.unsent.map((value) => value * TICK),
    speech: packed.speech.map((each) => ({ ...each, t: each.t * TICK, at: each.at * TICK })),
    utterances,
    versions: versions(packed.utterances),
    words: { ...words, owner },
    // Words in the order in which they were said, of those whose place is known.
    order: Int32Array.from(order),
    ends: Float64Array.from(order, (k) => words.end[k]),
    connections: packed.connections.map((each) => ({
      ...each, opened: each.opened * TICK, lost: each.lost * TICK,
    })),
    stalls: packed.stalls.map((pair) => pair.map((value) => value * TICK)),
    stop: packed.stop === null ? null : packed.stop * TICK,
    ended: packed.ended === null ? null : packed.ended * TICK,
  };
}

// All words of each version of an utterance, with where they lie: worked out when they are seen.
const unfolded = new WeakMap();

function unfold(utterance) {
  let found = unfolded.get(utterance);
  if (found) return found;
  let before = [];
  found = utterance.told.map((told) => {
    const timed = told.at.length > 0;
    const fresh = told.words.map((text, k) => ({
      text,
      start: timed ? told.at[2 * k] * TICK : NaN,
      end: timed ? told.at[2 * k + 1] * TICK : NaN,
    }));
    const words = [...before.slice(0, told.kept).map((word) => ({ ...word, kept: true })), ...fresh];
    if (words.some((word) => Number.isNaN(word.start))) spread(words, told);
    for (const k of told.back) words[k].back = true;
    before = words.map(({ text, start, end }) => ({ text, start, end }));
    return { t: told.t * TICK, start: told.start * TICK, end: told.end * TICK, via: told.via, words };
  });
  unfolded.set(utterance, found);
  return found;
}

// Without times of their own, words share their utterance's by their length.
function spread(words, told) {
  const length = words.reduce((sum, word) => sum + word.text.length + 1, 0);
  const scale = ((told.end - told.start) * TICK) / length;
  let at = told.start * TICK;
  for (const word of words) {
    word.start = at;
    at += (word.text.length + 1) * scale;
    word.end = at;
  }
}

// The first place in a rising column that is not below a value.
function lower(column, value) {
  let low = 0;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function clock(ms, digits = 1) {
  const unit = 10 ** digits;
  const whole = Math.round((Math.abs(ms) * unit) / 1000);
  const seconds = Math.floor(whole / unit);
  const fine = digits ? "." + String(whole % unit).padStart(digits, "0") : "";
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const text = hours ? `${hours}:${two(minutes)}` : `${minutes}`;
  return `${ms < 0 && whole ? "-" : ""}${text}:${two(seconds % 60)}${fine}`;
}

function milliseconds(value) {
  const size = Math.abs(value);
  return `${size >= 10 ? Math.round(value).toLocaleString("en") : value.toFixed(1)} ms`;
}
