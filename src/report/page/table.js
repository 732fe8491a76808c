/* The table of all workloads and targets: signs, numbers, intervals, words, heat. Sorted by a head,
   filtered by name, chapter and verdict; arrow keys walk, Enter opens. */

/* Ratios first: they are what is asked; what could not be used stands at the end. */
const columnOrder = [...labels.keys()].sort((a, b) => columnRank(a) - columnRank(b) || a - b);
const tableState = { sort: -1, up: false, text: '', chapter: '', only: false, absolute: !hasRatios };

function columnRank(t) { return t === base ? 1 : summary.targets[t].usable ? 0 : 2; }

function rowsShown() {
  let rows = run.cells.map((c, i) => i).filter((i) => {
    const c = run.cells[i];
    if (tableState.text && !`${c.name} ${c.title}`.toLowerCase().includes(tableState.text)) return false;
    if (tableState.chapter && c.chapter !== tableState.chapter) return false;
    return !tableState.only || labels.some((_, t) => {
      const r = result(i, t);
      return r.failure || (r.verdict && !['equivalent', 'detectable-small', 'emulated-cpu'].includes(r.verdict));
    });
  });
  const key = (i) => {
    const r = result(i, tableState.sort);
    const x = tableState.sort === base || tableState.absolute ? r.ns_per_op : r.ratio;
    return x && is(x.value) ? x.value : -Infinity;
  };
  if (tableState.sort >= 0)
    rows = rows.sort((a, b) => (tableState.up ? 1 : -1) * (key(a) - key(b)) || a - b);
  else if (tableState.sort === -2)
    rows = rows.sort((a, b) => (tableState.up ? 1 : -1) * (run.cells[a].name < run.cells[b].name ? -1 : 1));
  else
    rows = run.chapters.flatMap((ch) => rows.filter((i) => run.cells[i].chapter === ch.name));
  return rows;
}

function cellButton(i, t) {
  const c = run.cells[i].targets[t], r = result(i, t);
  const ratio = !tableState.absolute && t !== base && c.ratio;
  const w = ratio ? c.ratio : c.absolute;
  /* Only what is certain is coloured: noise is not to look like a difference. */
  const sure = r.verdict === 'slower' || r.verdict === 'faster';
  const hot = ratio && r.ratio && sure ? heat(r.ratio.value) : null;
  const fail = w.tone === 'fail';
  const value = w.number ? `${w.number}${w.unit ? ` ${w.unit}` : ''}` : w.word;
  const rest = w.number ? `${w.half} ${w.word}`.trim() : '';
  return el('td', {}, el('button', {
    type: 'button', tabindex: '-1', 'data-cell': i, 'data-target': t, heat: fail ? null : hot,
    class: `${w.tone} ${hot ? 'hot' : ''} ${fail ? 'fail' : ''}`,
    'aria-label': `${run.cells[i].name} on ${labels[t]}: ${value} ${rest}. Opens the details.`,
    on: { click: () => openCell(i, t) },
  }, el('span', { class: 'sign', 'aria-hidden': 'true' }, w.sign), el('span', { class: 'value' }, value),
  el('span', { class: 'rest' }, rest)));
}

function sortBy(column) {
  if (tableState.sort !== column) Object.assign(tableState, { sort: column, up: column === -2 });
  else if (tableState.up === (column === -2)) tableState.up = !tableState.up;
  else Object.assign(tableState, { sort: -1, up: false });
  fillTable();
  say(tableState.sort === -1 ? 'Sorted by chapter.' : `Sorted by ${column < 0 ? 'name' : labels[column]}, ${tableState.up ? 'ascending' : 'descending'}.`);
}

function headCell(text, column, target) {
  const on = tableState.sort === column;
  return el('th', { scope: 'col', 'aria-sort': on ? (tableState.up ? 'ascending' : 'descending') : 'none' },
    el('button', { type: 'button', 'data-sort': column, on: { click: () => sortBy(column) } },
      target === undefined ? null : el('span', { class: 'swatch', colour: target, 'aria-hidden': 'true' }), text,
      target === base && hasRatios ? el('span', { class: 'soft small' }, '(base)') : null,
      target !== undefined && summary.targets[target].emulated ? el('span', { class: 'soft small' }, '(emulated CPU)') : null,
      el('span', { class: 'order', 'aria-hidden': 'true' }, on ? (tableState.up ? '↑' : '↓') : '↕')));
}

function fillTable() {
  const table = document.getElementById('heat-table');
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.sort : undefined;
  const rows = rowsShown();
  const body = el('tbody', {});
  let chapter = null;
  for (const i of rows) {
    if (tableState.sort === -1 && run.cells[i].chapter !== chapter) {
      chapter = run.cells[i].chapter;
      body.append(el('tr', { class: 'group' }, el('th', { colspan: labels.length + 1, scope: 'rowgroup' },
        run.chapters.find((c) => c.name === chapter).title)));
    }
    body.append(el('tr', { 'data-row': i }, el('th', { scope: 'row', title: run.cells[i].title }, breakable(run.cells[i].name)),
      columnOrder.map((t) => cellButton(i, t))));
  }
  if (!rows.length)
    body.append(el('tr', {}, el('td', { colspan: labels.length + 1 }, el('p', { class: 'soft' }, 'No workload is left by the filter.'))));
  table.replaceChildren(el('caption', { class: 'unseen' }, 'Workloads by targets; each cell opens its details.'),
    el('thead', {}, el('tr', {}, headCell('workload', -2), columnOrder.map((t) => headCell(labels[t], t, t)))), body);
  fitTable();
  const first = body.querySelector('button');
  if (first) first.tabIndex = 0;
  if (focused !== undefined) table.querySelector(`[data-sort="${CSS.escape(focused)}"]`).focus();
}

/* Where the table fits, its head stays in sight; where not, it scrolls sideways in its box. */
function fitTable() {
  const table = document.getElementById('heat-table'), box = table.parentElement;
  box.classList.remove('fits');
  box.classList.toggle('fits', table.scrollWidth <= box.clientWidth);
}

/* May be broken before its variant and at its dots. */
function breakable(name) { return name.split(/(?=@)|(?<=\.)/).flatMap((part) => [part, el('wbr', {})]); }

/* One stop for Tab, arrows within. */
function walkTable(event) {
  const b = event.target.closest('td button');
  const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  if (!b || !moves[event.key]) return;
  const rows = [...event.currentTarget.querySelectorAll('tbody tr[data-row]')];
  const [down, right] = moves[event.key];
  const row = rows[rows.indexOf(b.closest('tr')) + down];
  const column = columnOrder[columnOrder.indexOf(Number(b.dataset.target)) + right];
  const next = row && row.querySelector(`button[data-target="${column}"]`);
  event.preventDefault();
  if (!next) return;
  b.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

function legendOfTable() {
  const theta = `${digits(100 * run.plan.theta, 2)} %`;
  const ramp = el('span', { class: 'ramp', 'aria-hidden': 'true' });
  ramp.style.background = 'linear-gradient(90deg, rgba(var(--cool), .62), rgba(var(--cool), .1) 45%, transparent 49%, transparent 51%, rgba(var(--warm), .1) 55%, rgba(var(--warm), .62))';
  return el('ul', { class: 'legend' },
    el('li', {}, `= alike: the whole interval within ${theta}`), el('li', {}, `≈ slight: a difference, but under ${theta}`),
    el('li', {}, '▲ slower or worse (▲▲ from 1.5 times, ▲▲▲ from 10 times)'), el('li', {}, '▼ faster or better'),
    el('li', {}, '? unsure: too noisy or too few blocks to tell'),
    summary.targets.some((t) => t.emulated) && el('li', {}, '◇ emulated CPU: its figures say nothing of the hardware, and no verdict is given'), el('li', {}, '✘ failed'), el('li', {}, '– not there'),
    el('li', {}, 'coloured where certain: 1/30', ramp, '30 times, logarithmic'));
}

function tableSection() {
  const change = (f) => ({ on: { input: (e) => { f(e.target); fillTable(); } } });
  const table = el('table', { class: 'heat', id: 'heat-table', on: { keydown: walkTable } });
  return el('section', { id: 'table' }, el('h2', {}, 'Every workload on every target'),
    el('p', { class: 'soft' }, hasRatios
      ? `Cost compared with ${labels[base]}: 2 is twice as slow, or twice as much. ± is the half-width of the 95 % interval. Click a cell for its samples and its proof.`
      : 'Values with the half-widths of their 95 % intervals. Click a cell for its samples and its proof.'),
    el('div', { class: 'tools', role: 'search' },
      el('input', { type: 'search', id: 'filter', placeholder: 'Filter workloads…', 'aria-label': 'Filter workloads by name', ...change((e) => { tableState.text = e.value.toLowerCase(); }) }),
      run.chapters.length > 1 && el('select', { id: 'filter-chapter', 'aria-label': 'Chapter', ...change((e) => { tableState.chapter = e.value; }) },
        el('option', { value: '' }, 'All chapters'), run.chapters.map((c) => el('option', { value: c.name }, c.title))),
      hasRatios && el('label', {}, el('input', { type: 'checkbox', id: 'only', ...change((e) => { tableState.only = e.checked; }) }), 'only differences and failures'),
      hasRatios && el('label', {}, el('input', { type: 'checkbox', id: 'absolute', ...change((e) => { tableState.absolute = e.checked; }) }), 'values instead of ratios')),
    el('div', { class: 'scroll', role: 'region', 'aria-label': 'Table of ratios', tabindex: '-1' }, table), legendOfTable());
}
