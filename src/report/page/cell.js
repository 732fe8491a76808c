/* One cell on one target: its figures, every sample in schedule order, how they are distributed, what
   the machine did meanwhile, the proof, and the command that measures it again. */

let cellCharts = [];
let openedFrom = null;

function closeCell() {
  const dialog = document.getElementById('cell');
  if (dialog.open) dialog.close();
}

/* Both sides of a comparison, target first; only itself for the base. */
function sides(target) { return target === base || !hasRatios ? [target] : [target, base]; }

function samplesFigure(i, target, list) {
  const c = run.cells[i], unit = c.unit;
  const both = sides(target).map((t) => ({ t, points: samples(i, t).filter((s) => is(s.y)) }));
  const values = both.flatMap((b) => b.points.map((p) => p.y));
  const firsts = [];
  for (const p of both[0].points) if (!firsts.length || firsts[firsts.length - 1].block !== p.block) firsts.push(p);
  const some = Math.ceil(firsts.length / 12);
  return chartFigure({
    list, name: `${c.name}-${labels[target]}-samples`, title: 'Every sample, in the order of the schedule',
    what: c.grain === 'whole' ? 'One execution a block.' : 'Each dot is one slice; lines part the blocks. Targets took turns in random order.',
    key: both.map((b) => b.t), height: 250,
    rows: [['target', 'block', 'round', 'place in round', `value (${unit})`],
      ...both.flatMap((b) => b.points.map((p) => [labels[b.t], p.block, p.round, p.place, p.y]))],
    config: () => ({
      type: 'scatter',
      data: { datasets: both.map((b) => ({ ...targetLook(b.t), pointRadius: c.grain === 'whole' ? 4 : 2.5,
        data: b.points.map((p) => ({ x: p.x, y: p.y, p })) })) },
      options: {
        marks: firsts.slice(1).map((p) => ({ axis: 'x', at: p.x - .5, faint: true })),
        scales: {
          x: { type: 'linear', min: -1, max: Math.max(...both.flatMap((b) => b.points.map((p) => p.x))) + 1, grid: { display: false }, title: { display: true, text: 'block' },
            afterBuildTicks: (axis) => { axis.ticks = firsts.filter((_, k) => k % some === 0).map((p) => ({ value: p.x, label: p.block })); },
            ticks: { autoSkip: false, maxRotation: 0, callback: (v) => { const p = firsts.find((f) => f.x === v); return p ? String(p.block + 1) : ''; } } },
          y: valueScale('', values, (v) => tickText(v, unit)),
        },
        plugins: { tooltip: { callbacks: { label: (x) => `${x.dataset.label}: ${withUnit(x.raw.y, unit)}, block ${x.raw.p.block + 1}, round ${x.raw.p.round + 1}` } } },
      },
    }),
  });
}

/* A histogram with bins of equal ratio. */
function distributionFigure(i, target, list) {
  const c = run.cells[i], unit = c.unit;
  const both = sides(target).map((t) => ({ t, y: samples(i, t).map((s) => s.y).filter((y) => y > 0) }));
  const all = both.flatMap((b) => b.y).map(Math.log);
  const lo = Math.min(...all), hi = Math.max(...all), n = hi > lo ? Math.min(48, Math.max(12, Math.round(Math.sqrt(all.length) * 2))) : 1;
  const width = (hi - lo) / n || 1;
  const bins = Array.from({ length: n }, (_, k) => Math.exp(lo + (k + .5) * width));
  const count = (y) => {
    const h = new Array(n).fill(0);
    for (const v of y) h[Math.min(n - 1, Math.floor((Math.log(v) - lo) / width))]++;
    return h.map((v) => (y.length ? v / y.length : 0));
  };
  const shares = both.map((b) => count(b.y));
  return chartFigure({
    list, name: `${c.name}-${labels[target]}-distribution`, title: 'Distribution of the samples',
    what: 'Share of the samples in bins of equal ratio.', key: both.map((b) => b.t), height: 200,
    rows: [[`middle of the bin (${unit})`, ...both.map((b) => labels[b.t])], ...bins.map((b, k) => [b, ...shares.map((s) => s[k])])],
    config: () => ({
      type: 'bar',
      data: { labels: bins.map((b) => withUnit(b, unit)),
        datasets: both.map((b, k) => ({ label: labels[b.t], backgroundColor: targetColour(b.t), data: shares[k], grouped: false, barPercentage: 1, categoryPercentage: .92, order: k })) },
      options: { scales: { x: { grid: { display: false }, ticks: { maxTicksLimit: 7, maxRotation: 0 } },
        y: { beginAtZero: true, ticks: { callback: (v) => percent(v), maxTicksLimit: 5 } } },
      plugins: { tooltip: { callbacks: { label: (x) => `${x.dataset.label}: ${percent(x.raw)} of the samples` } } } },
    }),
  });
}

function blocksFigure(i, target, list) {
  const c = run.cells[i], t = c.targets[target], r = result(i, target);
  const points = t.log_ratio.map((l, k) => ({ x: t.blocks[k] + 1, value: is(l) ? Math.exp(l) : NaN })).filter((p) => is(p.value));
  if (points.length < 2) return null;
  const band = r.ratio && is(r.ratio.lo) ? [{ axis: 'y', from: r.ratio.lo, to: r.ratio.hi }] : [];
  return chartFigure({
    list, name: `${c.name}-${labels[target]}-blocks`, title: 'Ratio, block by block',
    what: 'Each block starts every target afresh and yields one ratio; the band is the interval of all.', height: 200,
    rows: [['block', 'ratio'], ...points.map((p) => [p.x, p.value])],
    config: () => ({
      type: 'scatter',
      data: { datasets: [{ ...targetLook(target), showLine: true, borderWidth: 1, data: points.map((p) => ({ x: p.x, y: p.value })) }] },
      options: { marks: [...band, { axis: 'y', at: 1 }],
        scales: { x: linearScale('block', (v) => (Number.isInteger(v) ? String(v) : '')), y: valueScale('', [...points.map((p) => p.value), ...band.flatMap((b) => [b.from, b.to])], ratioTick) },
        plugins: { tooltip: { callbacks: { label: (x) => `block ${x.raw.x}: ${ratioText(x.raw.y)}` } } } },
    }),
  });
}

const covariateNames = [['steal', 'CPU time stolen', percent], ['pressure', 'CPU pressure', percent],
  ['others', 'CPUs busy with others', (x) => digits(x, 2)], ['load', 'load average', (x) => digits(x, 2)],
  ['swap', 'pages swapped', String], ['throttled', 'times throttled', String], ['kernel_log', 'kernel log lines', String]];

function covariatesPart(i, list) {
  const t = run.cells[i].trials;
  const shown = covariateNames.filter(([key]) => (t[key] || []).some(is));
  if (!shown.length) return null;
  const lines = ['steal', 'pressure', 'others'].filter((key) => (t[key] || []).some(is));
  return chartFigure({
    list, name: `${run.cells[i].name}-covariates`, title: 'The machine meanwhile',
    what: 'What else went on while this cell was measured, block by block.', height: 190,
    key: [el('ul', { class: 'key' }, lines.map((key, k) => el('li', {}, shapeIcon(k + 4), covariateNames.find((c) => c[0] === key)[1]))), ''],
    rows: [['block', ...shown.map((s) => s[1])], ...t.block.map((b, k) => [b + 1, ...shown.map(([key]) => t[key][k])])],
    config: () => ({
      type: 'scatter',
      data: { datasets: lines.map((key, k) => ({ ...targetLook(k + 4), label: covariateNames.find((c) => c[0] === key)[1], showLine: true, borderWidth: 1.5,
        yAxisID: key === 'others' ? 'cpus' : 'y', data: t.block.map((b, j) => ({ x: b + 1, y: t[key][j] })) })) },
      options: {
        scales: { x: linearScale('block', (v) => (Number.isInteger(v) ? String(v) : '')),
          y: { type: 'linear', beginAtZero: true, suggestedMax: .02, ticks: { callback: (v) => percent(v), maxTicksLimit: 5 } },
          cpus: { display: lines.includes('others'), position: 'right', beginAtZero: true, suggestedMax: .1, grid: { display: false }, title: { display: true, text: 'CPUs' }, ticks: { maxTicksLimit: 5 } } },
        plugins: { tooltip: { callbacks: { label: (x) => `${x.dataset.label}: ${x.dataset.yAxisID === 'cpus' ? digits(x.raw.y, 2) : percent(x.raw.y)}` } } },
      },
    }),
  });
}

/* Sample by sample beside a neighbour: [start, duration, GFlops, CPUs, phase, set apart] of LINPACK,
   [start, duration, ns, beside, set apart] of all others. */
function seriesFigure(i, target, list, name) {
  const c = run.cells[i], t = c.targets[target];
  const linpack = c.family === 'neighbour';
  const read = (s) => (s || []).filter((p) => Array.isArray(p) && is(p[0]) && is(p[1]) && is(p[2]))
    .map((p) => ({ x: p[0] + p[1] / 2, y: p[2], from: p[0], to: p[0] + p[1], beside: linpack ? false : Boolean(p[3]), apart: Boolean(p[linpack ? 5 : 4]) }));
  const own = read(t.series), load = read(t.load_series);
  if (own.length < 2) return null;
  const start = Math.min(...[...own, ...load].map((p) => p.from));
  for (const p of [...own, ...load]) { p.x -= start; p.from -= start; p.to -= start; }
  const bands = [];
  if (load.length) bands.push({ axis: 'x', from: load[0].from, to: load[load.length - 1].to, text: 'the neighbour works' });
  own.forEach((p, k) => {
    if (!p.beside) return;
    if (k > 0 && own[k - 1].beside) bands[bands.length - 1].to = p.to;
    else bands.push({ axis: 'x', from: p.from, to: p.to, text: bands.length ? '' : 'beside the aggressor' });
  });
  const text = (v) => (linpack ? `${digits(v)} GFlops` : withUnit(v, 'ns'));
  const look = targetLook(target);
  const fill = (points) => points.map((p) => (p.apart ? 'transparent' : look.backgroundColor));
  return chartFigure({
    list, name: name || `${c.name}-${labels[target]}-series`, title: `${c.name}, ${labels[target]}`,
    what: linpack ? 'The first block, system by system; its neighbour’s in grey. Hollow: in no mean.' : 'The first block, sample by sample. Hollow: counted on no side.',
    height: 220,
    rows: [['who', 'start (s)', 'end (s)', linpack ? 'GFlops' : 'ns', 'counted in no mean'],
      ...own.map((p) => ['affected', p.from, p.to, p.y, p.apart ? 'yes' : '']), ...load.map((p) => ['neighbour', p.from, p.to, p.y, p.apart ? 'yes' : ''])],
    config: () => ({
      type: 'scatter',
      data: { datasets: [
        { ...look, pointRadius: own.length > 150 ? 2.5 : 4, showLine: linpack, borderWidth: 1.25, pointBackgroundColor: fill(own), data: own.map((p) => ({ x: p.x, y: p.y })) },
        { ...targetLook(7), label: 'neighbour', borderColor: colour('--soft'), backgroundColor: colour('--soft'), pointStyle: 'rect', pointRadius: 3, showLine: true, borderWidth: 1, data: load.map((p) => ({ x: p.x, y: p.y })) }] },
      options: { marks: bands, scales: { x: linearScale('seconds', null), y: valueScale(linpack ? 'GFlops' : '', [...own, ...load].map((p) => p.y), linpack ? null : (v) => tickText(v, 'ns'), linpack) },
        plugins: { tooltip: { callbacks: { label: (x) => `${x.dataset.label}: ${text(x.raw.y)}` } } } },
    }),
  });
}

function copyButton(text) {
  const b = el('button', { type: 'button', class: 'quiet-button', on: { click: async () => {
    try { await navigator.clipboard.writeText(text); b.textContent = 'Copied'; }
    catch { getSelection().selectAllChildren(b.previousSibling); b.textContent = 'Selected'; }
    setTimeout(() => { b.textContent = 'Copy'; }, 2000);
  } } }, 'Copy');
  return b;
}

function headlineOf(i, target) {
  const c = run.cells[i], t = c.targets[target], r = result(i, target), own = result(i, base);
  const value = (e) => (e ? withUnit(e.value, c.unit) : '–');
  const span = (e, text) => (e && is(e.lo) ? `[${text(e.lo)}, ${text(e.hi)}]` : '');
  const box = (big, small, what) => el('div', {}, el('div', { class: 'soft small' }, what), el('div', { class: 'big' }, big), el('div', { class: 'soft small' }, small));
  return el('div', { class: 'headline' },
    target !== base && t.ratio && box(r.ratio ? ratioText(r.ratio.value, halfOf(r.ratio)) : t.ratio.word || '–',
      r.ratio ? `${span(r.ratio, (x) => ratioText(x, halfOf(r.ratio)))} ${t.ratio.sign} ${t.ratio.word}` : '', `compared with ${labels[base]}`),
    box(value(r.value), span(r.value, (x) => withUnit(x, c.unit)), labels[target]),
    target !== base && box(value(own.value), span(own.value, (x) => withUnit(x, c.unit)), labels[base]));
}

function cellParts(i, target, list) {
  const c = run.cells[i], t = c.targets[target];
  const measured = samples(i, target).length > 0;
  const params = Object.entries(c.params).map(([k, v]) => `${k}=${v}`).join(', ');
  const about = [`${c.title}`, `${c.workers || 'one per CPU'} worker${c.workers === 1 ? '' : 's'} on ${c.cpus} CPU${c.cpus === 'one' ? '' : 's'}`,
    c.place === 'none' ? '' : c.place, params].filter(Boolean).join(' · ');
  return [el('p', { class: 'soft' }, about), headlineOf(i, target),
    measured && samplesFigure(i, target, list),
    measured && el('div', { class: 'grid-2' }, distributionFigure(i, target, list), target !== base && blocksFigure(i, target, list)),
    t.series && seriesFigure(i, target, list),
    el('h3', {}, 'In figures and words'), pairs(t.lines),
    measured && covariatesPart(i, list),
    el('h3', {}, `The proof that it really was ${labels[target]}`),
    run.targets[target].lines.length ? pairs(run.targets[target].lines) : el('p', { class: 'soft' }, 'No session of it ran.'),
    el('h3', {}, 'Measure this cell again'), el('div', { class: 'again' }, el('pre', {}, el('code', {}, t.again)), copyButton(t.again))];
}

/* Shows the cell; the address names it, so that it can be linked. */
function openCell(i, target) {
  const dialog = document.getElementById('cell');
  if (!dialog.open) openedFrom = document.activeElement;
  cellCharts.forEach((item) => item.chart && item.chart.destroy());
  cellCharts = [];
  const step = (by) => openCell((i + by + run.cells.length) % run.cells.length, target);
  const button = (text, label, f) => el('button', { type: 'button', class: 'quiet-button', 'aria-label': label, title: label, on: { click: f } }, text);
  dialog.replaceChildren(
    el('div', { class: 'cell-head' }, el('h2', { id: 'cell-title', tabindex: '-1', autofocus: true }, el('code', {}, run.cells[i].name), ' on ', labels[target]),
      button('‹', 'Previous workload', () => step(-1)), button('›', 'Next workload', () => step(1)), button('✕', 'Close', closeCell)),
    el('div', { class: 'cell-body' }, cellParts(i, target, cellCharts)));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  drawAll(cellCharts);
  try { history.replaceState(null, '', `#cell=${encodeURIComponent(run.cells[i].name)},${encodeURIComponent(labels[target])}`); } catch { /* not from everywhere */ }
}

function cellClosed() {
  cellCharts.forEach((item) => item.chart && item.chart.destroy());
  cellCharts = [];
  try { history.replaceState(null, '', '#table'); } catch { /* as above */ }
  if (openedFrom && openedFrom.isConnected) openedFrom.focus();
}

/* "#cell=NAME,TARGET" opens it. */
function openFromAddress() {
  const m = location.hash.match(/^#cell=([^,]*),(.*)$/);
  if (!m) return;
  let name, target;
  try { name = decodeURIComponent(m[1]); target = decodeURIComponent(m[2]); } catch { return; }
  const i = run.cells.findIndex((c) => c.name === name), t = labels.indexOf(target);
  if (i >= 0 && t >= 0) openCell(i, t);
}
