// Plays a WAV file through the vendor's JavaScript client; prints what it was told, one JSON a line.
//
// Usage: node sdk.mjs [BASE_URL] FILE        (`make agents` installs what it needs)
//
// Without a base URL the client reads it from GLADIA_API_URL. Exit codes: 0 the session came to its
// proper end, 1 it ended otherwise, 3 it did not end within two minutes of the stop.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { GladiaClient } from "@gladiaio/sdk";

const CHUNK_MS = 100;
const END_MS = 120_000;

/** The rate and the samples of a WAV file: 16 bit, mono. */
function readWav(path) {
  const file = readFileSync(path);
  let rate = 0;
  for (let at = 12; at + 8 <= file.length; ) {
    const name = file.toString("latin1", at, at + 4);
    const size = file.readUInt32LE(at + 4);
    if (name === "fmt ") rate = file.readUInt32LE(at + 12);
    if (name === "data") return { rate, data: file.subarray(at + 8, at + 8 + size) };
    at += 8 + size + (size % 2);
  }
  throw new Error(`${path} has no samples`);
}

const tell = (line) => console.log(JSON.stringify(line));

const path = process.argv.at(-1);
if (process.argv.length > 3) process.env.GLADIA_API_URL = process.argv[2];
const { rate, data } = readWav(path);
const client = new GladiaClient({ apiKey: process.env.GLADIA_API_KEY || "any" });
const session = client.liveV2().startSession({
  encoding: "wav/pcm",
  sample_rate: rate,
  bit_depth: 16,
  channels: 1,
  messages_config: { receive_partial_transcripts: true },
});
const ended = new Promise((resolve) => session.once("ended", resolve));
session.on("message", ({ type, data }) =>
  tell({ type, final: data?.is_final ?? null, text: data?.utterance?.text ?? null }),
);
session.on("error", (error) => tell({ type: "failed", text: String(error?.message ?? error) }));

// Each chunk when its last sample was spoken.
const size = Math.floor((rate * CHUNK_MS) / 1000) * 2;
const start = performance.now();
for (let at = 0, index = 1; at < data.length; at += size, index += 1) {
  await sleep(Math.max(0, start + index * CHUNK_MS - performance.now()));
  session.sendAudio(data.subarray(at, at + size));
}
session.stopRecording();
const end = await Promise.race([ended, sleep(END_MS)]);
if (end === undefined) process.exit(3);
tell({ type: "ended", code: end.code });
process.exit(end.code === 1000 ? 0 : 1);
