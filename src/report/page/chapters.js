/* A chapter for each experiment that is in the run. */

function cellsOf(chapter, test) { return run.cells.map((_, i) => i).filter((i) => run.cells[i].chapter === chapter && (!test || test(run.cells[i]))); }
function allTargets() { return labels.map((_, t) => t); }

/* value and interval of one estimate of a result, "ratio" or "value". */
function point(i, t, what, row) {
  const e = result(i, t)[what];
  return { row, target: t, value: e ? e.value : NaN, lo: e ? e.lo : NaN, hi: e ? e.hi : NaN };
}

function figureRows(cells) {
  return [['workload', 'target', 'ratio', 'from', 'to', 'verdict', 'value', 'from', 'to', 'unit', 'blocks'],
    ...cells.flatMap((i) => allTargets().map((t) => {
      const r = result(i, t), q = r.ratio || {}, v = r.value || {};
      return [run.cells[i].name, labels[t], q.value, q.lo, q.hi, t === base ? 'base' : r.verdict || (r.failure ? r.failure.kind : ''), v.value, v.lo, v.hi, run.cells[i].unit, r.n];
    }))];
}

function ratiosFigure(chapter, cells) {
  const points = cells.flatMap((i, row) => allTargets().filter((t) => t !== base).map((t) => point(i, t, 'ratio', row)));
  if (!points.some((p) => is(p.value))) return null;
  return dotPlot({ name: `${chapter}-ratios`, title: `Cost compared with ${labels[base]}`, one: true,
    what: 'Dots are ratios, whiskers their 95 % intervals; the dashed line is 1: no difference.',
    names: cells.map((i) => run.cells[i].name), points, text: (x) => ratioText(x), tick: ratioTick, rows: figureRows(cells) });
}

/* Values in one unit. */
function valuesFigure(name, title, what, cells, strip) {
  const points = cells.flatMap((i, row) => allTargets().map((t) => point(i, t, 'value', row)));
  if (!points.some((p) => is(p.value))) return null;
  const unit = run.cells[cells[0]].unit;
  return dotPlot({ name, title, what, names: cells.map((i) => (strip ? strip(run.cells[i]) : run.cells[i].name)), points,
    text: (v) => withUnit(v, unit), tick: (v) => tickText(v, unit), rows: figureRows(cells) });
}

const unitTitles = { ns: 'Time per operation', 'B/s': 'Throughput', 'flop/s': 'Arithmetic', s: 'Time' };

function valuesByUnit(chapter, cells) {
  const units = [...new Set(cells.map((i) => run.cells[i].unit))];
  return units.map((u, k) => valuesFigure(`${chapter}-values-${k}`, unitTitles[u] || `In ${u}`,
    `${run.cells[cells.find((i) => run.cells[i].unit === u)].more_is_better ? 'More' : 'Less'} is better.`,
    cells.filter((i) => run.cells[i].unit === u)));
}

function generic(chapter) {
  const cells = cellsOf(chapter.name);
  return [ratiosFigure(chapter.name, cells), valuesByUnit(chapter.name, cells)];
}

/* crowd.start-30, parallel.start-4: a curve over the number at its end. */
function curve(chapter, prefix, spec) {
  const cells = cellsOf(chapter, (c) => c.name.startsWith(prefix) && /-\d+$/.test(c.name));
  if (cells.length < 2) return null;
  const unit = run.cells[cells[0]].unit;
  const series = allTargets().map((t) => ({ target: t, points: cells.map((i) => ({ ...point(i, t, 'value', 0), x: Number(run.cells[i].name.match(/-(\d+)$/)[1]) }))
    .filter((p) => is(p.value)).sort((a, b) => a.x - b.x) })).filter((s) => s.points.length);
  if (!series.length) return null;
  return lineFigure({ ...spec, name: fileName(prefix), series, text: (v) => withUnit(v, unit), tick: (v) => tickText(v, unit), rows: figureRows(cells) });
}

function lifeChapter(chapter) {
  const steps = cellsOf('life', (c) => c.family === 'life');
  return [steps.length ? valuesFigure('life-steps', 'The steps of a start and an end', 'Time on the host; whiskers are 95 % intervals.', steps) : null,
    el('div', { class: 'grid-2' },
      curve('life', 'crowd.start-', { title: 'A start, against running containers', what: 'Mean of the ten starts up to so many.', xAxis: 'containers running' }),
      curve('life', 'crowd.destroy-', { title: 'A removal, against running containers', what: 'Mean of the ten forced removals from so many on.', xAxis: 'containers running' }),
      curve('life', 'parallel.start-', { title: 'Started at once', what: 'Containers a second when so many are asked for at the same moment.', xAxis: 'at once' }))];
}

/* Facts of a crowd: of the first cell that holds them. */
function factsWith(name) {
  return allTargets().map((t) => {
    const c = run.cells.find((x) => x.targets[t].facts && x.targets[t].facts[name]);
    return c ? c.targets[t].facts : null;
  });
}

function componentsFigure() {
  const facts = factsWith('kernel_bytes');
  const there = allTargets().filter((t) => facts[t]);
  if (!there.length) return null;
  const names = [...new Set(there.flatMap((t) => Object.keys(facts[t])))].filter((n) => n.endsWith('_bytes') && !['memory_bytes', 'unaccounted_bytes', 'kernel_bytes'].includes(n));
  names.push('kernel_bytes');
  const title = (n) => (n === 'kernel_bytes' ? 'in the kernel' : n.replace('_bytes', ''));
  const stacks = there.map((t) => {
    let sum = 0;
    return names.map((n) => {
      const [v, lo, hi] = facts[t][n] || [0];
      const d = { v: Math.max(0, v), lo: is(lo) ? sum + lo : NaN, hi: is(hi) ? sum + hi : NaN };
      sum += d.v;
      return d;
    });
  });
  const most = Math.max(1, ...stacks.map((s) => s.reduce((sum, d) => sum + d.v, 0)));
  return chartFigure({
    name: 'density-components', title: 'What one container weighs', height: 90 + 46 * there.length,
    what: 'Proportional set size by component, and what the kernel keeps for it; whiskers are the intervals of each part.',
    key: [el('ul', { class: 'key' }, names.map((n, k) => { const s = el('span', { class: 'swatch', colour: k + 1 }); return el('li', {}, s, title(n)); })), ''],
    rows: [['target', 'component', 'bytes', 'from', 'to'], ...there.flatMap((t) => names.filter((n) => facts[t][n]).map((n) => [labels[t], title(n), ...facts[t][n]]))],
    config: () => ({
      type: 'bar',
      data: { labels: there.map((t) => labels[t]), datasets: names.map((n, k) => ({ label: title(n), backgroundColor: colour(`--t${(k + 1) % 8}`), whiskerColor: colour('--ink'), barPercentage: .7,
        data: stacks.map((s, j) => ({ x: s[k].v, y: labels[there[j]], lo: s[k].lo, hi: s[k].hi })) })) },
      options: { indexAxis: 'y', scales: { x: { stacked: true, ticks: { callback: (v) => tickText(v, 'B'), stepSize: unitStep(most, 'B'), maxRotation: 0 } }, y: { stacked: true, grid: { display: false }, ticks: { color: colour('--ink') } } },
        plugins: { tooltip: { callbacks: { label: (x) => `${x.dataset.label}: ${withUnit(x.raw.x, 'B')}` } } } },
    }),
  });
}

function densityChapter() {
  const cells = cellsOf('density');
  const facts = factsWith('fit');
  const rows = allTargets().filter((t) => facts[t]).map((t) => [labels[t], ...['fit', 'idle_cpu_ppm', 'kernel_bytes', 'memory_bytes'].map((n) => (facts[t][n] ? facts[t][n][0] : NaN))]);
  return [componentsFigure(), cells.length ? valuesFigure('density-values', 'Memory of one container more', 'The slope against their number; with and without what stands above it.', cells) : null,
    rows.length ? plainTable('How many would fit', ['target', 'would fit on this machine', 'idle CPU each, millionths', 'kernel memory each', 'MemAvailable lost each'],
      rows.map((r) => [r[0], digits(r[1], 4), digits(r[2]), withUnit(r[3], 'B'), withUnit(r[4], 'B')])) : null];
}

/* Aggressors down, victims across; a table a target. */
function matrix(prefix, title) {
  const cells = cellsOf('isolation', (c) => c.name.startsWith(`${prefix}.`));
  if (!cells.length) return null;
  const split = (i) => run.cells[i].name.slice(prefix.length + 1).split('@');
  const down = [...new Set(cells.map((i) => split(i)[0]))], across = [...new Set(cells.map((i) => split(i)[1] || ''))];
  return allTargets().filter((t) => cells.some((i) => result(i, t).n)).map((t) => el('div', {}, el('h3', {}, `${title}, ${labels[t]}`),
    el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${title}, ${labels[t]}` }, el('table', { class: 'plain matrix' },
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'aggressor'), across.map((a) => el('th', { scope: 'col' }, a)))),
      el('tbody', {}, down.map((d) => el('tr', {}, el('th', { scope: 'row' }, d), across.map((a) => {
        const i = cells.find((k) => split(k)[0] === d && (split(k)[1] || '') === a);
        if (i === undefined) return el('td', { class: 'soft' }, '');
        const v = result(i, t).value, w = run.cells[i].targets[t].absolute;
        return el('td', { heat: v && (v.lo > 1 || v.hi < 1) ? heat(v.value) : null }, el('button', { type: 'button', class: 'quiet-button', 'aria-label': `${run.cells[i].name} on ${labels[t]}: details`, on: { click: () => openCell(i, t) } },
          v ? ratioText(v.value) : w.word), el('small', {}, v && is(v.lo) ? `[${digits(v.lo)}, ${digits(v.hi)}]` : ''));
      }))))))));
}

function isolationChapter() {
  const pairsOf = cellsOf('isolation', (c) => c.family === 'neighbour');
  const series = pairsOf.flatMap((i) => allTargets().filter((t) => run.cells[i].targets[t].series).map((t) => seriesFigure(i, t, null, `series-${run.cells[i].name}-${labels[t]}`)));
  return [pairsOf.some((i) => allTargets().some((t) => result(i, t).value)) ? dotPlot({ name: 'neighbour', title: 'LINPACK beside a busy neighbour', what: 'Time with, or after, the neighbour divided by time before it: 1 is untouched.', one: true,
    names: pairsOf.map((i) => run.cells[i].name), points: pairsOf.flatMap((i, row) => allTargets().map((t) => point(i, t, 'value', row))), text: (x) => ratioText(x), tick: ratioTick, rows: figureRows(pairsOf) }) : null,
  series.length ? el('div', { class: 'grid-2' }, series) : null,
  el('div', { class: 'grid-2' }, matrix('beside', 'Time beside an aggressor / without'), matrix('tail', '99th percentile beside an aggressor / without'))];
}

function reachChapter() {
  return cellsOf('reach').map((i) => valuesFigure(`reach-${run.cells[i].name}`, run.cells[i].name, run.cells[i].title, [i]));
}

const chapterContents = { life: lifeChapter, density: densityChapter, isolation: isolationChapter, reach: reachChapter };

function chapterSection(chapter) {
  const where = labels.map((l, t) => (chapter.where[t] ? `${l}: ${chapter.where[t]}` : null)).filter(Boolean).join(' · ');
  return el('section', { id: chapter.name }, el('h2', {}, chapter.title), where && el('p', { class: 'chapter-where' }, where),
    (chapterContents[chapter.name] || generic)(chapter));
}
