/* What all of the page's script uses: the run's data, elements made of text alone, numbers as people
   read them, samples out of their compact form, light and dark. */

const run = JSON.parse(document.getElementById('data').textContent);
const summary = run.summary;
const labels = run.targets.map((t) => t.label);
const base = run.head.base;
const hasRatios = labels.length > 1;

/* Makes an element. Everything that is not an element becomes text: no string of a run is ever
   markup. Keys of attributes: class, on (event handlers), colour (a target's), else as they are. */
function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'on') for (const [event, f] of Object.entries(value)) e.addEventListener(event, f);
    else if (key === 'colour') e.style.setProperty('--colour', `var(--t${value % 8})`);
    else if (key === 'heat') e.style.setProperty('--heat', value);
    else e.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined && child !== false) e.append(child);
  return e;
}

function result(cell, target) { return summary.cells[cell * labels.length + target]; }

/* Is there a finite number? */
function is(x) { return typeof x === 'number' && Number.isFinite(x); }

function digits(x, n = 3) {
  if (!is(x)) return '?';
  if (x === 0) return '0';
  const size = Math.floor(Math.log10(Math.abs(x)));
  if (size >= 15 || size < -6) return x.toPrecision(n);
  if (size >= n) return String(Math.round(x / 10 ** (size - n + 1)) * 10 ** (size - n + 1));
  return x.toFixed(Math.max(0, n - 1 - size));
}

const scales = {
  'ns': [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']],
  'B/s': [[1e12, 'TB/s'], [1e9, 'GB/s'], [1e6, 'MB/s'], [1e3, 'kB/s'], [1, 'B/s']],
  'flop/s': [[1e12, 'Tflop/s'], [1e9, 'Gflop/s'], [1e6, 'Mflop/s'], [1e3, 'kflop/s'], [1, 'flop/s']],
  's': [[1, 's'], [1e-3, 'ms'], [1e-6, 'µs'], [1e-9, 'ns']],
  'B': [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB'], [1, 'B']],
};

/* The factor and name in which a value of that size is read. */
function scaleFor(value, unit) {
  const steps = scales[unit];
  return steps ? steps.find(([f]) => Math.abs(value) >= f * .9995) || steps[steps.length - 1] : [1, unit];
}

function withUnit(value, unit) {
  if (!is(value)) return '?';
  const [factor, name] = scaleFor(value, unit);
  return name ? `${digits(value / factor)} ${name}` : digits(value / factor);
}

/* For ticks, whose last digits are noughts. */
function tickText(value, unit) {
  const [factor, name] = scaleFor(value || 1, unit);
  return `${Number((value / factor).toPrecision(4))}${name ? ` ${name}` : ''}`;
}

function ratioTick(x) { return `×${Number(x.toPrecision(6))}`; }
/* With as many digits as the interval's half-width (a fraction) bears. */
function ratioText(x, half = 1) { return is(x) ? `×${x < 9.995 ? x.toFixed(half < .005 ? 3 : 2) : digits(x)}` : '?'; }
function halfOf(e) { return is(e.lo) && e.lo > 0 ? Math.sqrt(e.hi / e.lo) - 1 : 1; }
function percent(x) { return is(x) ? `${digits(100 * x, 2)} %` : '?'; }

/* Samples of one target in one cell, in schedule order:
   [{block, round, place, x: order over all targets, y}]. */
function samples(cell, target) {
  const t = run.cells[cell].targets[target];
  const bytes = Uint8Array.from(atob(t.y), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const places = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const list = [];
  let at = 0;
  const wide = labels.length;
  let before = 0;
  t.n.forEach((n, trial) => {
    const most = Math.max(1, ...run.cells[cell].targets.map((o) => o.n[trial]));
    for (let i = 0; i < n; i++, at++) {
      const place = places.indexOf(t.p[at]);
      list.push({ block: run.cells[cell].trials.block[trial], round: i, place,
        x: before + i * wide + place, y: view.getFloat32(4 * at, true) });
    }
    before += most * wide;
  });
  return list;
}

function median(list) {
  const v = list.filter(is).sort((a, b) => a - b);
  return v.length ? (v[(v.length - 1) >> 1] + v[v.length >> 1]) / 2 : NaN;
}

/* A file for the person who looks, made here. */
function download(name, blob) {
  const a = el('a', { href: URL.createObjectURL(blob), download: name });
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}

/* A field that a spreadsheet would take for a formula is told apart by a quote. */
function csvField(x) {
  let s = x === null || x === undefined || Number.isNaN(x) ? '' : String(x);
  if (typeof x === 'string' && /^[=+\-@\t]/.test(s)) s = `'${s}`;
  return /[",\n]/.test(s) ? `"${s.replace(/"/g, '""')}"` : s;
}

function csv(rows) { return rows.map((r) => r.map(csvField).join(',')).join('\n') + '\n'; }
function fileName(...parts) { return parts.join('-').replace(/[^A-Za-z0-9._@-]+/g, '-'); }
function say(text) { document.getElementById('live').textContent = text; }

/* Light or dark: as the system has it, until somebody chooses. */
const dark = matchMedia('(prefers-color-scheme: dark)');
const themed = []; /* called when colours have changed */

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : dark.matches;
}

function setTheme(name, keep = true) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  try {
    if (keep && name) localStorage.setItem('cupel-theme', name);
  } catch { /* not allowed from a file everywhere */ }
  document.getElementById('theme').textContent = isDark() ? '☀ Light' : '☾ Dark';
  themed.forEach((f) => f());
}

function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
function targetColour(t) { return colour(`--t${t % 8}`); }

/* Heat of a ratio: nothing at 1, full at 30 and beyond, on the log; orange dearer, blue cheaper. */
function heat(ratio) {
  if (!is(ratio) || ratio <= 0) return null;
  const l = Math.log(ratio);
  if (Math.abs(l) < .0198) return null;
  const a = Math.min(1, .12 + .88 * Math.abs(l) / Math.log(30)) * .62;
  return `rgba(var(${l > 0 ? '--warm' : '--cool'}), ${a.toFixed(3)})`;
}

/* [[key, text], ...] as a list. */
function pairs(lines) {
  return el('dl', { class: 'pairs' }, lines.map(([k, v]) => [el('dt', {}, k), el('dd', {}, v)]));
}

/* The first column heads its row; columns of numbers alone (with a unit or not) stand right. */
function plainTable(caption, head, rows) {
  const numbers = head.map((_, i) => i > 0 && rows.every((r) => r[i] === '' || is(r[i]) || /^[-+]?[\d.]+( [^ ]+)?$/.test(r[i])));
  const cellOf = (c, i) => el(i === 0 ? 'th' : 'td', i === 0 ? { scope: 'row' } : { class: numbers[i] ? 'number' : null }, c);
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    el('table', { class: 'plain' }, el('caption', { class: 'unseen' }, caption),
      el('thead', {}, el('tr', {}, head.map((h, i) => el('th', { scope: 'col', class: numbers[i] ? 'number' : null }, h)))),
      el('tbody', {}, rows.map((r) => el('tr', {}, r.map(cellOf))))));
}
