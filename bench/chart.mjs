// The CPU ratios as a bar chart for the documentation: one group a case, the base at 1.0. On a ground of its own, so that it
// reads alike on a light and a dark page.
import { TITLES } from './fleet.mjs';

const WIDTH = 860;
const LEFT = 150;
const RIGHT = 150;
const BAR = 14;
const GROUP_HEAD = 26;
const GROUP_GAP = 10;
const TOP = 64;
const BOTTOM = 40;

const GROUND = '#fdfdfc';
const INK = '#1f2933';
const FAINT = '#5b6875';
const COLOURS = { bare: '#9aa5b1', jose: '#9aa5b1', edgegate: '#0b7285', hono: '#d9730d', 'aws-jwt-verify': '#7048b6' };

/** The SVG of these results. */
export function chart({ cases, workerd, rounds }) {
  const scale = scaleFor(cases);
  let y = TOP;
  const groups = cases.map((each) => {
    const group = drawGroup(each, y, scale);
    y += GROUP_HEAD + Object.keys(each.contestants).length * (BAR + 3) + GROUP_GAP;
    return group;
  });
  const height = y + BOTTOM;
  const grid = scale.ticks.map((tick) => {
    const x = scale.x(tick);
    const strong = tick === 1;
    return `<line x1="${x}" y1="${TOP - 8}" x2="${x}" y2="${y}" stroke="${strong ? FAINT : '#dde3e9'}"${strong ? ' stroke-dasharray="3 3"' : ''}/>
${text(x, TOP - 14, `${tick}×`, { anchor: 'middle', size: 11, fill: FAINT })}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" role="img">
<title>CPU of workerd per request, as a ratio</title>
<rect width="${WIDTH}" height="${height}" rx="8" fill="${GROUND}"/>
${text(20, 28, 'CPU of workerd per request, as a ratio to the grey bar of the same round', { size: 16, weight: 600 })}
${grid.join('\n')}
${groups.join('\n')}
${text(20, height - 16, `Median of ${rounds} rounds; the thin line is the smallest and largest. Shorter is better. workerd ${workerd}.`, { size: 11, fill: FAINT })}
</svg>
`;
}

function scaleFor(cases) {
  const all = cases.flatMap(({ contestants }) => Object.values(contestants).map(({ summary }) => summary.cpuRatio.max));
  const end = Math.ceil(Math.max(1.2, ...all) * 2) / 2;
  const step = end > 8 ? 2 : end > 4 ? 1 : 0.5;
  const ticks = Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => index * step);
  return { x: (value) => round(LEFT + (value / end) * (WIDTH - LEFT - RIGHT)), ticks };
}

function drawGroup({ title, contestants }, top, { x }) {
  const head = text(20, top + 16, title, { size: 13, weight: 600 });
  const bars = Object.entries(contestants).map(([name, { summary: { cpuUs, cpuRatio } }], index) => {
    const y = top + GROUP_HEAD + index * (BAR + 3);
    const middle = y + BAR / 2;
    const end = Math.max(x(cpuRatio.median), x(cpuRatio.max));
    return [
      text(LEFT - 8, middle + 4, TITLES[name], { anchor: 'end', size: 12, weight: name === 'edgegate' ? 600 : 400 }),
      `<rect x="${x(0)}" y="${y}" width="${round(x(cpuRatio.median) - x(0))}" height="${BAR}" rx="2" fill="${COLOURS[name]}"/>`,
      `<line x1="${x(cpuRatio.min)}" y1="${middle}" x2="${x(cpuRatio.max)}" y2="${middle}" stroke="${INK}" stroke-width="1.2"/>`,
      text(end + 7, middle + 4, `${cpuRatio.median.toFixed(2)}× · ${cpuUs.median.toFixed(cpuUs.median < 100 ? 1 : 0)} µs`, { size: 12 }),
    ].join('');
  });
  return [head, ...bars].join('\n');
}

function round(value) {
  return Math.round(value * 10) / 10;
}

function text(x, y, words, { anchor = 'start', size = 12, weight = 400, fill = INK } = {}) {
  const safe = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-size="${size}" font-weight="${weight}" fill="${fill}" stroke="${GROUND}" stroke-width="4" stroke-linejoin="round" paint-order="stroke">${safe}</text>`;
}
