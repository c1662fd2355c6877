"""What the status page always brings along: its looks, and a script that keeps it new."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --page: #fff; --card: #f6f8fa; --line: #d0d7de; --ink: #1b1f24;
  --dim: #59636e; --there: #1a7f37; --away: #9a6700; --failed: #cf222e; --over: #59636e; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --card: #161b22; --line: #30363d;
  --ink: #e6edf3; --dim: #9198a1; --there: #3fb950; --away: #d29922; --failed: #f85149;
  --over: #9198a1; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 76rem;
  padding: 1.2rem 1.2rem 3rem; background: var(--page); color: var(--ink);
  overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
h3 { font-size: .9rem; margin: 0; font-weight: 600; }
p { margin: .3rem 0; }
code { font: .92em ui-monospace, monospace; }
dl, dd { margin: 0; }
.dim, dt { color: var(--dim); } .small { font-size: .85rem; } .bad { color: var(--failed); }
#lost, .planted { padding: .5rem .8rem; border: 1px solid; border-left-width: 4px;
  border-radius: 4px; }
#lost { color: var(--failed); } .planted { color: var(--away); margin-top: .8rem; }
.totals { display: flex; flex-wrap: wrap; gap: .6rem; margin-top: 1rem; }
.totals div { display: flex; flex-flow: column-reverse; justify-content: flex-end; flex: 1 1 6.4rem;
  padding: .5rem .8rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; }
.totals dt { font-size: .85rem; }
.totals dd { font-size: 1.3rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.cards { display: grid; gap: .8rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
article { padding: .8rem 1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; }
.state { color: var(--mark); }
.state::before { content: ""; display: inline-block; width: .6em; height: .6em;
  margin-right: .45em; border-radius: 50%; background: var(--mark); }
.there { --mark: var(--there); } .away, .warned { --mark: var(--away); }
.failed { --mark: var(--failed); } .over { --mark: var(--over); }
.facts { display: grid; grid-template-columns: 7rem 1fr 1fr 1fr; gap: .4rem; margin: .5rem 0; }
.facts dt { font-size: .8rem; } .facts dd { font-variant-numeric: tabular-nums; }
[role=log], .partial { border-left: 3px solid var(--line); padding-left: .6rem; margin: 0; }
[role=log] { margin-top: .6rem; } [role=log] p, .partial { margin: 0; padding-bottom: .2rem; }
.at { color: var(--dim); font-size: .8rem; font-variant-numeric: tabular-nums; }
.said { unicode-bidi: isolate; }
.partial { border-left-color: var(--there); font-style: italic; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem .4rem 0; font-weight: 400;
  border-bottom: 1px solid var(--line); }
thead th { color: var(--dim); font-size: .85rem; }
td { font-variant-numeric: tabular-nums; white-space: nowrap; }
td.said { white-space: normal; width: 100%; }
tbody th { width: 100%; }
thead th { white-space: nowrap; }
"""

#: Merges a newer page into the one that is shown, so that what stays is not touched: a selection
#: lasts, and a screen reader is told only of lines that are new.
SCRIPT = """
"use strict";
const same = (a, b) => a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
const merge = (now, next) => {
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== next.data) now.data = next.data;
    return;
  }
  for (const { name } of [...now.attributes]) {
    if (!next.hasAttribute(name)) now.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
  const ids = new Set([...next.children].map((child) => child.id));
  for (const child of [...now.children]) if (child.id && !ids.has(child.id)) child.remove();
  const children = [...next.childNodes];
  children.forEach((child, place) => {
    const there = now.childNodes[place];
    if (there && same(there, child)) merge(there, child);
    else now.insertBefore(child, there || null);
  });
  while (now.childNodes.length > children.length) now.lastChild.remove();
};
const look = async () => {
  if (!document.hidden) {
    const lost = document.getElementById("lost");
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      merge(document.querySelector("main"), page.querySelector("main"));
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    }
  }
  setTimeout(look, 1000);
};
setTimeout(look, 1000);
"""
