/* The page from top to bottom. */

const host = summary.host || 'this machine';

function list(words) { return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words[words.length - 1]}`; }

function targetCard(t) {
  const g = run.answers.cheapest ? summary.targets[t].geometric_mean : null;
  const n = run.cells.filter((c, i) => c.work && result(i, t).ratio).length;
  return el('article', { class: 'card target-card', colour: t }, el('h3', {}, shapeIcon(t), labels[t]),
    summary.targets[t].emulated && el('div', { class: 'soft' }, 'Emulated CPU: its figures say nothing of the hardware.'),
    g ? [el('div', { class: 'big' }, ratioText(g.value, halfOf(g))), el('div', { class: 'soft small' }, `${is(g.lo) ? `[${ratioText(g.lo, halfOf(g))}, ${ratioText(g.hi, halfOf(g))}] ` : ''}over ${n} workload${n === 1 ? '' : 's'}`)]
      : n > 0 && !summary.targets[t].emulated && el('div', { class: 'soft' }, 'Too few blocks for one figure over the workloads.'),
    el('dl', {}, run.chapters.map((c) => {
      const text = c.where[t] || '';
      return [el('dt', {}, c.title), el('dd', { class: /^\d+ alike$|^alike$/.test(text) ? 'alike' : text.includes('×') ? 'worse' : null }, text)];
    })));
}

function notes(lines, kind) { return lines.length ? el('ul', { class: 'notes' }, lines.map((l) => el('li', { class: kind || (l.startsWith('✘') ? 'failed' : null) }, l))) : null; }

/* The unit of a date is told: everything else is the machine's own. */
function when(ms) { return ms ? new Date(ms).toISOString().slice(0, 16).replace('T', ' ') + ' UTC' : ''; }

/* What each costs, reaches of the host, and loses to a neighbour: beside each other, never one figure. */
function tradeTable() {
  if (!run.trade) return null;
  const text = (w) => [w.sign, [w.number, w.unit].filter(Boolean).join(' '), w.half, w.word].filter(Boolean).join(' ') + (w.which ? `, ${w.which}` : '');
  const rows = run.trade.rows.map((r) => [`${r.kind}: ${r.name}`, ...r.values.map(text)]);
  return [el('h3', {}, 'Cost, reach and loss'), plainTable('Cost, reach and loss', ['', ...labels], rows),
    el('p', { class: 'soft small' }, `Costs are time per operation against that of ${labels[base]}, losses time beside a neighbour against that without; means of (n) cells: ${run.trade.composites}.`)];
}

function answersSection() {
  const others = labels.filter((_, t) => t !== base && summary.targets[t].usable);
  const m = run.machine || {};
  return el('section', { id: 'answers' },
    el('h1', {}, others.length && hasRatios ? `What ${list(others)} cost${others.length === 1 ? 's' : ''} on ${host}` : `What ${labels[base]} does on ${host}`),
    el('ul', { class: 'facts-row' }, [summary.suite, when(run.head.started_ms), m.cpu_model && `${m.cpus_usable || '?'} × ${m.cpu_model}`, m.kernel && `Linux ${m.kernel}`,
      m.virtualisation && `inside ${m.virtualisation}`, summary.status !== 'complete' && summary.status !== 'imported' && `run ${summary.status}`].filter(Boolean).map((x) => el('li', {}, x))),
    run.gate && [el('p', { class: 'lead' }, run.gate.text), run.gate.lines.length > 0 && notes(run.gate.lines)],
    run.answers.cheapest && el('p', { class: 'lead' }, run.answers.cheapest), el('p', { class: 'soft' }, run.answers.what),
    run.plan.scale < 1 && el('p', {}, `Durations and repeats were shortened by ${digits(run.plan.scale)}.`),
    hasRatios && el('div', { class: 'targets' }, labels.map((_, t) => (t === base || !summary.targets[t].usable ? null : targetCard(t)))),
    tradeTable(),
    others.length && el('p', { class: 'soft' }, 'Which of them meet limits of yours, and on what evidence: ', el('code', {}, 'cupel advise RUN --loss 10% --separate-kernel')),
    run.answers.failures.length ? [el('h3', {}, 'What failed or was not there'), notes(run.answers.failures)] : el('p', { class: 'soft' }, 'Nothing failed.'),
    run.answers.semantics.length + run.answers.warnings.length ? [el('h3', {}, 'What to know about these figures'), notes([...run.answers.semantics, ...run.answers.warnings])] : null);
}

function sizeText(key, value) { return /_bytes$/.test(key) && is(value) ? withUnit(value, 'B') : typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value); }

function environmentSection() {
  const machine = Object.entries(run.machine || {}).filter(([k, v]) => k !== 'id' && v !== '' && v !== null && typeof v !== 'object').map(([k, v]) => [k.replace(/_/g, ' ').replace(/ bytes$/, ''), sizeText(k, v)]);
  const plan = Object.entries(run.plan).filter(([, v]) => v !== 0 && v !== false && v !== null).map(([k, v]) => [k.replace(/_/g, ' ').replace(/ bytes$/, ''), sizeText(k, v)]);
  const info = run.targets.map((t) => [t.label, t.driver, ...['version', 'path', 'platform', 'sha256', 'work_around'].map((k) => String((t.info || {})[k] || ''))]);
  return el('section', { id: 'environment' }, el('h2', {}, 'Environment'),
    plainTable('Targets', ['target', 'driver', 'version', 'path', 'platform', 'sha256', 'worked around'], info.map((r) => [...r.slice(0, 5), r[5].slice(0, 16), r[6]])),
    el('div', { class: 'grid-2' }, el('div', {}, el('h3', {}, 'Machine'), pairs(machine)),
      el('div', {}, el('h3', {}, 'Run'), pairs([['run', `${summary.run} (${summary.uuid})`], ['started', when(run.head.started_ms)], ['ended', when(run.head.ended_ms)], ['cupel', run.head.version], ['command', run.head.command], ...plan]))));
}

function warningsSection() {
  const name = (w, list_) => (w >= 0 && list_[w] !== undefined ? list_[w] : '');
  const cells = run.cells.map((c) => c.name);
  return el('section', { id: 'warnings' }, el('h2', {}, 'Warnings'),
    summary.warnings.length ? el('details', { open: summary.warnings.length <= 12 }, el('summary', {}, `All ${summary.warnings.length}`),
      plainTable('Warnings', ['kind', 'what', 'block', 'workload', 'target'], summary.warnings.map((w) => [w.kind, w.text, w.block >= 0 ? w.block + 1 : '', name(w.cell, cells), name(w.target, labels)])))
      : el('p', { class: 'soft' }, 'None: the machine was quiet, as far as it can be seen from here.'));
}

const method = [
  `In a block every target is started afresh, and all of them take turns in slices of ${digits(run.plan.slice_ms)} ms, in fresh random order, confined to the same CPUs. What runs whole is executed once a block, the others stopped.`,
  'A block yields one number for each cell: the median over its rounds of the log ratio to the base within a round. Blocks are the replicates, since launches differ more than slices do.',
  'The estimate is Hodges and Lehmann’s over the blocks, with its exact signed-rank interval. Values are medians with order-statistic intervals. Measuring goes on until the interval is narrow enough or the time is spent; an interval that was looked at early pays for it.',
  'Nothing is called “no difference”: alike means that the whole interval lies within the threshold. p-values in the data are within-block sign flips, adjusted by Holm over the run.',
  'No target is measured without evidence that it is the runtime it is named for; each cell’s details have that evidence.',
];

const glossary = [
  ['target', 'one configuration under test: an engine or runtime and its options, or the bare host'], ['workload, cell', 'what is run, and one way of running it: its CPUs, workers, file system, parameters'],
  ['base', 'the target that ratios refer to'], ['block', 'every target once, each started afresh'], ['round, slice', 'every target one short piece of work, close together in time'],
  ['ratio', 'cost of an operation on the target divided by that on the base; above 1 is slower, or more'], ['interval', '95 %: of many such runs, the true value lies within in at least 95 of 100'],
  ['host CPU', 'CPU time of the whole sandbox on the host, runtime processes included'], ['steal', 'CPU time that the hypervisor gave to others'], ['PSS', 'proportional set size: memory, what is shared counted by share'],
];

function methodSection() {
  return el('section', { id: 'method' }, el('h2', {}, 'Method'), method.map((p) => el('p', {}, p)), el('h3', {}, 'Glossary'), pairs(glossary));
}

function build() {
  document.title = `${summary.run}: ${list(labels)} on ${host} – cupel`;
  document.getElementById('run-name').textContent = `${summary.run} on ${host}`;
  const main = document.getElementById('main');
  main.replaceChildren(answersSection(), tableSection(), ...run.chapters.map(chapterSection), environmentSection(), warningsSection(), methodSection());
  document.getElementById('contents').replaceChildren(...[['answers', 'Answers'], ['table', 'Table'], ...run.chapters.map((c) => [c.name, c.title]), ['environment', 'Environment'], ['method', 'Method']]
    .map(([id, text]) => el('a', { href: `#${id}` }, text)));
  document.getElementById('foot').textContent = `Made by cupel from run ${summary.run} (${summary.uuid}), measured by cupel ${run.head.version}. This file is all there is of it: it loads nothing and sends nothing.`;
  document.getElementById('theme').addEventListener('click', () => setTheme(isDark() ? 'light' : 'dark'));
  const dialog = document.getElementById('cell');
  dialog.addEventListener('close', cellClosed);
  dialog.addEventListener('click', (e) => { if (e.target === dialog) closeCell(); });
  fillTable();
}

function redraw() { drawAll(drawn); drawAll(cellCharts); }

/* Paper is light and narrow: charts are drawn for it, so that their words stay readable. Both events
   may come more than once. */
const paperWidth = 640;
let printing = null;
addEventListener('beforeprint', () => {
  if (!printing) printing = { theme: document.documentElement.dataset.theme };
  if (isDark()) setTheme('light', false);
  for (const item of drawn)
    if (item.canvas.parentElement.clientWidth > paperWidth) item.chart.resize(paperWidth, item.canvas.parentElement.clientHeight);
});
addEventListener('afterprint', () => {
  if (printing) setTheme(printing.theme, false);
  for (const item of drawn) item.chart.resize();
  printing = null;
});

try {
  const kept = localStorage.getItem('cupel-theme');
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
} catch { /* not allowed from a file everywhere */ }
build();
setTheme(document.documentElement.dataset.theme, false);
themed.push(redraw);
dark.addEventListener('change', () => setTheme(document.documentElement.dataset.theme, false));
drawAll(drawn);
openFromAddress();
addEventListener('hashchange', openFromAddress);
addEventListener('resize', fitTable);
document.documentElement.dataset.ready = 'yes';
