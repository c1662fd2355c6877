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
