/* Charts: a figure with a legend, buttons and the table behind it, drawn by Chart.js. Every target
   has its colour and its shape, so that neither is needed alone; intervals are whiskers. */

const shapes = ['circle', 'rect', 'triangle', 'rectRot', 'cross', 'star', 'crossRot', 'dash'];
const drawn = [];

/* Whiskers: from .lo to .hi along the value's axis, for points that have both. */
const whiskers = {
  id: 'whiskers',
  afterDatasetsDraw(chart) {
    const horizontal = chart.options.indexAxis === 'y' || chart.data.valuesAlong === 'x';
    const ctx = chart.ctx;
    const scale = chart.scales[horizontal ? 'x' : 'y'];
    const area = chart.chartArea;
    ctx.save();
    ctx.beginPath();
    ctx.rect(area.left - 2, area.top - 2, area.right - area.left + 4, area.bottom - area.top + 4);
    ctx.clip();
    chart.data.datasets.forEach((set, i) => {
      if (!chart.isDatasetVisible(i)) return;
      ctx.strokeStyle = set.whiskerColor || set.borderColor;
      ctx.lineWidth = 1.5;
      chart.getDatasetMeta(i).data.forEach((point, j) => {
        const d = set.data[j];
        if (!d || !is(d.lo) || !is(d.hi)) return;
        const a = scale.getPixelForValue(d.lo), b = scale.getPixelForValue(d.hi);
        const at = horizontal ? point.y : point.x, cap = 3;
        ctx.beginPath();
        if (horizontal) {
          ctx.moveTo(a, at); ctx.lineTo(b, at);
          ctx.moveTo(a, at - cap); ctx.lineTo(a, at + cap);
          ctx.moveTo(b, at - cap); ctx.lineTo(b, at + cap);
        } else {
          ctx.moveTo(at, a); ctx.lineTo(at, b);
          ctx.moveTo(at - cap, a); ctx.lineTo(at + cap, a);
          ctx.moveTo(at - cap, b); ctx.lineTo(at + cap, b);
        }
        ctx.stroke();
      });
    });
    ctx.restore();
  },
};

/* Lines and bands behind the points: {axis, at} or {axis, from, to}, with a text. */
const marks = {
  id: 'marks',
  beforeDatasetsDraw(chart) {
    const { ctx, chartArea: area } = chart;
    ctx.save();
    for (const m of chart.data.marks || []) {
      const scale = chart.scales[m.axis];
      const a = scale.getPixelForValue(is(m.at) ? m.at : m.from);
      const b = is(m.at) ? a : scale.getPixelForValue(m.to);
      ctx.fillStyle = ctx.strokeStyle = m.faint ? colour('--grid') : colour('--soft');
      if (is(m.at)) {
        ctx.lineWidth = m.faint ? 1 : 1.25;
        ctx.setLineDash(m.faint ? [] : [4, 3]);
        ctx.beginPath();
        if (m.axis === 'x') { ctx.moveTo(a, area.top); ctx.lineTo(a, area.bottom); }
        else { ctx.moveTo(area.left, a); ctx.lineTo(area.right, a); }
        ctx.stroke();
      } else {
        ctx.fillStyle = colour('--grid');
        if (m.axis === 'x') ctx.fillRect(a, area.top, b - a, area.bottom - area.top);
        else ctx.fillRect(area.left, b, area.right - area.left, a - b);
      }
      if (m.text) {
        ctx.fillStyle = colour('--soft');
        ctx.font = '11px sans-serif';
        ctx.fillText(m.text, Math.min(a, b) + 4, area.top + 11);
      }
    }
    ctx.restore();
  },
};

/* A PNG needs a ground; on the page it is the card's. */
const ground = {
  id: 'ground',
  beforeDraw(chart) {
    chart.ctx.save();
    chart.ctx.globalCompositeOperation = 'destination-over';
    chart.ctx.fillStyle = colour('--card');
    chart.ctx.fillRect(0, 0, chart.width, chart.height);
    chart.ctx.restore();
  },
};

Chart.register(whiskers, marks, ground);
Chart.defaults.animation = false;
Chart.defaults.devicePixelRatio = Math.max(2, devicePixelRatio); /* for the pictures that are saved */
Chart.defaults.maintainAspectRatio = false;
Chart.defaults.plugins.legend.display = false;
Chart.defaults.plugins.tooltip.displayColors = false;
Chart.defaults.font.family = 'system-ui, "DejaVu Sans", sans-serif';

function themeDefaults() {
  Chart.defaults.color = colour('--soft');
  Chart.defaults.borderColor = colour('--grid');
  Chart.defaults.font.size = 12;
}

/* Log scales whose ticks are as many of 1, 2, 5 as there is room for, and read as what they are. */
function logScale(title, text, reach) {
  const decades = Math.log10(reach[1] / reach[0]);
  const narrow = innerWidth < 640;
  const steps = decades > (narrow ? 1.5 : 4) ? [1] : narrow ? [1, 3] : [1, 2, 5];
  return {
    type: 'logarithmic',
    title: { display: Boolean(title), text: title },
    suggestedMin: reach[0], suggestedMax: reach[1],
    ticks: {
      autoSkip: true, maxRotation: 0, maxTicksLimit: 9,
      callback(v) {
        const first = Number(v.toExponential().split('e')[0]);
        return steps.some((d) => Math.abs(first - d) < 1e-9) ? text(v) : null;
      },
    },
  };
}

function linearScale(title, text, extra) {
  return { type: 'linear', title: { display: Boolean(title), text: title },
    ticks: { maxRotation: 0, callback: (v) => (text ? text(v) : String(Number(v.toPrecision(4)))) }, ...extra };
}

/* Steps of 1, 2 or 5 in the unit that the axis is read in, also where that is a power of 1024. */
function unitStep(most, unit) {
  const factor = scaleFor(most, unit)[0];
  const rough = most / factor / 5, power = 10 ** Math.floor(Math.log10(rough));
  return factor * power * [1, 2, 5, 10].find((n) => n * power >= rough);
}

/* Wide ranges are read on a log scale, narrow ones on a linear one. */
function valueScale(title, values, text, zero) {
  const v = values.filter((x) => is(x) && x > 0);
  const lo = Math.min(...v), hi = Math.max(...v);
  if (v.length && hi / lo > 20) return logScale(title, text, [lo / 1.3, hi * 1.3]);
  const room = (hi - lo) * .04;
  return linearScale(title, text, zero ? { beginAtZero: true, suggestedMax: hi } : { grace: v.length > 1 && hi > lo ? 0 : '8%', suggestedMin: lo - room, suggestedMax: hi + room });
}

const svgShapes = {
  circle: 'M6 1.5a4.5 4.5 0 1 0 .01 0z', rect: 'M2 2h8v8h-8z', triangle: 'M6 1l5 9.5h-10z',
  rectRot: 'M6 .5l5.5 5.5-5.5 5.5-5.5-5.5z', cross: 'M5 1h2v4h4v2h-4v4h-2v-4h-4v-2h4z',
  star: 'M5.3 0h1.4v4.4l3.8-2.2.7 1.2-3.8 2.2 3.8 2.2-.7 1.2-3.8-2.2v4.4h-1.4v-4.4l-3.8 2.2-.7-1.2 3.8-2.2-3.8-2.2.7-1.2 3.8 2.2z',
  crossRot: 'M2 .8l4 4 4-4 1.2 1.2-4 4 4 4-1.2 1.2-4-4-4 4-1.2-1.2 4-4-4-4z', dash: 'M0 5h12v2h-12z',
};

function shapeIcon(target) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  svg.setAttribute('class', 'shape');
  svg.setAttribute('viewBox', '0 0 12 12');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', svgShapes[shapes[target % 8]]);
  path.style.fill = `var(--t${target % 8})`;
  svg.append(path);
  return svg;
}

function targetKey(targets) {
  return el('ul', { class: 'key' }, targets.map((t) => el('li', {}, shapeIcon(t), labels[t])));
}

/* Colours and shape of a target's points. */
function targetLook(target) {
  const c = targetColour(target);
  return { label: labels[target], borderColor: c, backgroundColor: c, pointStyle: shapes[target % 8],
    pointRadius: 4.5, pointHoverRadius: 6, pointBorderWidth: 1.5 };
}

/* A figure: {name, title, what, height, key (targets or entries), config() of Chart.js, rows (head
   first) behind it}. config is asked again when the colours change. */
function chartFigure(spec) {
  const canvas = el('canvas', { role: 'img', 'aria-label': `${spec.title}. ${spec.what || ''} The table below has the figures.` });
  const box = el('div', { class: 'canvas-box' }, canvas);
  box.style.height = `${spec.height || 280}px`;
  const name = fileName('cupel', summary.run, spec.name);
  const item = { canvas, spec, chart: null };
  item.draw = () => {
    if (item.chart) item.chart.destroy();
    themeDefaults();
    const config = spec.config();
    /* Out of the options, which Chart.js wraps in proxies. */
    for (const own of ['marks', 'valuesAlong']) {
      config.data[own] = config.options[own];
      delete config.options[own];
    }
    item.chart = new Chart(canvas, config);
  };
  const key = spec.key || [];
  const f = el('figure', { class: 'card', id: `figure-${spec.name}` },
    el('figcaption', {}, el('strong', {}, spec.title), el('span', { class: 'what' }, spec.what || ''),
      el('span', { class: 'buttons' },
        el('button', { type: 'button', class: 'quiet-button', 'aria-label': `CSV of ${spec.title}`,
          on: { click: () => download(`${name}.csv`, new Blob([csv(spec.rows)], { type: 'text/csv' })) } }, 'CSV'),
        el('button', { type: 'button', class: 'quiet-button', 'aria-label': `PNG of ${spec.title}`,
          on: { click: () => canvas.toBlob((b) => download(`${name}.png`, b)) } }, 'PNG'))),
    key.length > 1 ? (typeof key[0] === 'number' ? targetKey(key) : key) : null,
    box,
    el('details', {}, el('summary', {}, 'The figures'),
      plainTable(spec.title, spec.rows[0], spec.rows.slice(1).map((r) => r.map((x) => (is(x) ? digits(x, 4) : x === null || Number.isNaN(x) ? '' : x))))));
  item.figure = f;
  (spec.list || drawn).push(item);
  return f;
}

/* Dots with whiskers, a row a cell, a target's dots below one another. points: [{row, target, value,
   lo, hi}]. */
function dotPlot(spec) {
  const targets = [...new Set(spec.points.filter((p) => is(p.value)).map((p) => p.target))].sort((a, b) => a - b);
  const step = .8 / Math.max(targets.length, 1);
  const y = (p) => p.row + (targets.indexOf(p.target) - (targets.length - 1) / 2) * step;
  const values = spec.points.flatMap((p) => [p.value, p.lo, p.hi]).filter(is);
  return chartFigure({
    ...spec, key: targets,
    height: 70 + spec.names.length * (spec.names.length > 24 ? Math.max(18, 8 * targets.length + 4) : Math.max(26, 12 * targets.length + 6)),
    config: () => ({
      type: 'scatter',
      data: { datasets: targets.map((t) => ({ ...targetLook(t),
        data: spec.points.filter((p) => p.target === t && is(p.value)).map((p) => ({ x: p.value, y: y(p), lo: p.lo, hi: p.hi, row: p.row })) })) },
      options: {
        valuesAlong: 'x',
        marks: [...(spec.one ? [{ axis: 'x', at: 1 }] : []),
          ...spec.names.slice(1).map((_, i) => ({ axis: 'y', at: i + .5, faint: true }))],
        scales: {
          x: valueScale(spec.axis, spec.one ? [...values, 1] : values, spec.tick || spec.text),
          y: { type: 'linear', reverse: true, min: -.5, max: spec.names.length - .5, grid: { display: false },
            afterBuildTicks: (axis) => { axis.ticks = spec.names.map((_, value) => ({ value })); },
            ticks: { autoSkip: false, color: colour('--ink'),
              callback: (v) => shorten(spec.names[v] || '', innerWidth < 640 ? 17 : 34) } },
        },
        plugins: { tooltip: { callbacks: { label: (c) => {
          const d = c.raw;
          return `${spec.names[d.row]}, ${c.dataset.label}: ${spec.text(d.x)}${is(d.lo) ? ` [${spec.text(d.lo)}, ${spec.text(d.hi)}]` : ''}`;
        } } } },
      },
    }),
  });
}

function shorten(s, n) { return s.length > n ? `${s.slice(0, n - 1)}…` : s; }

/* Lines over numbers, with whiskers. series: [{target, points: [{x, value, lo, hi}]}]. */
function lineFigure(spec) {
  const values = spec.series.flatMap((s) => s.points.flatMap((p) => [p.value, p.lo, p.hi]));
  return chartFigure({
    ...spec, key: spec.series.map((s) => s.target),
    config: () => ({
      type: 'scatter',
      data: { datasets: spec.series.map((s) => ({ ...targetLook(s.target), showLine: true, borderWidth: 2, tension: 0,
        data: s.points.map((p) => ({ x: p.x, y: p.value, lo: p.lo, hi: p.hi })) })) },
      options: {
        scales: { x: linearScale(spec.xAxis, (v) => (Number.isInteger(v) ? String(v) : ''), { grace: '4%' }),
          y: valueScale(spec.axis, values, spec.tick || spec.text, true) },
        plugins: { tooltip: { callbacks: { label: (c) =>
          `${c.dataset.label}, ${c.raw.x}: ${spec.text(c.raw.y)}${is(c.raw.lo) ? ` [${spec.text(c.raw.lo)}, ${spec.text(c.raw.hi)}]` : ''}` } } },
      },
    }),
  });
}

function drawAll(list) { list.forEach((item) => item.draw()); }
