// What is said about one utterance below the timeline: every version, and what was taken back.

function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function written(version) {
  const cell = element("td", "", "left");
  version.words.forEach((word, k) => {
    if (k) cell.append(" ");
    cell.append(element(word.back ? "del" : word.kept ? "span" : "ins", word.text, word.kept && !word.back ? "kept" : ""));
  });
  if (!version.words.length) cell.append(element("span", "(no words)", "dim"));
  return cell;
}

function describe(panel, session, number) {
  panel.replaceChildren();
  if (number === null) {
    panel.append(element("p", "Nothing is selected. Click or tap an utterance to see every version of it, and what was taken back.", "dim"));
    return;
  }
  const utterance = session.utterances[number];
  const versions = unfold(utterance);
  const channel = session.channels > 1 ? `, channel ${utterance.channel}` : "";
  const last = versions[versions.length - 1];
  const taken = versions.reduce((sum, version) => sum + version.words.filter((word) => word.back).length, 0);
  panel.append(element("h3", `Utterance ${number + 1} of ${session.utterances.length}${channel}, ${clock(last.start, 2)} to ${clock(last.end, 2)}`));
  const told = `${versions.length - (utterance.final ? 1 : 0)} partials, ${utterance.final ? `final ${milliseconds(last.t - last.end)} after its end by its own times` : "no final"}; ${taken ? `${taken} ${taken === 1 ? "word was" : "words were"} taken back, struck through below` : "nothing was taken back"}. New words stand out.`;
  panel.append(element("p", told, "dim"));
  const scroll = element("div", "", "scroll");
  const table = element("table");
  const head = element("tr");
  for (const [title, kind] of [["came at", ""], ["reaches", ""], ["behind", ""], ["shows", "left"]]) {
    const cell = element("th", title, kind);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(element("thead"), element("tbody"));
  table.tHead.append(head);
  versions.forEach((version, k) => {
    const line = element("tr");
    const final = utterance.final && k === versions.length - 1;
    line.append(element("td", `${clock(version.t, 2)}${final ? ", final" : ""}`, ""));
    line.append(element("td", clock(version.end, 2)), element("td", milliseconds(version.t - version.end)), written(version));
    table.tBodies[0].append(line);
  });
  scroll.append(table);
  panel.append(scroll);
}
