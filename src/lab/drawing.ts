// What the pictures of an ablation share: SVGs that are read in light and in dark, without scripts or fonts
// of their own.

/** Colours in light and in dark; `kind0` to `kind7` are those of arms. */
const style = `
  text { font: 13px system-ui, sans-serif; fill: #1d2420; }
  .soft { fill: #55605a; }
  .strong { font-weight: 600; }
  line { stroke: #c8d0ca; }
  .zero { stroke: #55605a; }
  .band { fill: #f1f4f1; }
  .sheet { fill: #ffffff; }
  .better { stroke: #1a7a46; fill: #1a7a46; }
  .worse { stroke: #b3371f; fill: #b3371f; }
  .open { stroke: #55605a; fill: #55605a; }
  line.bar, polyline { stroke-width: 2; fill: none; }
  text.named { stroke: none; font-weight: 600; }
  .kind0 { stroke: #1a7a46; fill: #1a7a46; }
  .kind1 { stroke: #b3371f; fill: #b3371f; }
  .kind2 { stroke: #2a5fb0; fill: #2a5fb0; }
  .kind3 { stroke: #8a5a00; fill: #8a5a00; }
  .kind4 { stroke: #7a3f9d; fill: #7a3f9d; }
  .kind5 { stroke: #0b7285; fill: #0b7285; }
  .kind6 { stroke: #a3256b; fill: #a3256b; }
  .kind7 { stroke: #4d5a52; fill: #4d5a52; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e8ede9; }
    .soft { fill: #a4afa8; }
    line { stroke: #3a443e; }
    .zero { stroke: #a4afa8; }
    .band { fill: #1f2622; }
    .sheet { fill: #161b18; }
    .better { stroke: #58c98a; fill: #58c98a; }
    .worse { stroke: #f08a73; fill: #f08a73; }
    .open { stroke: #a4afa8; fill: #a4afa8; }
    .kind0 { stroke: #58c98a; fill: #58c98a; }
    .kind1 { stroke: #f08a73; fill: #f08a73; }
    .kind2 { stroke: #82aef2; fill: #82aef2; }
    .kind3 { stroke: #e0b050; fill: #e0b050; }
    .kind4 { stroke: #c99be6; fill: #c99be6; }
    .kind5 { stroke: #5cc8d8; fill: #5cc8d8; }
    .kind6 { stroke: #f08ac0; fill: #f08ac0; }
    .kind7 { stroke: #b4bfb8; fill: #b4bfb8; }
  }`;

/** A name as text of an SVG. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

export const shortened = (text: string): string => (text.length > 34 ? `${text.slice(0, 33)}…` : text);

/** The whole picture: its title above what is drawn, on a sheet of its own. */
export function drawing(width: number, height: number, title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="${escaped(title)}">`,
    `<style>${style}</style>`,
    `<rect class="sheet" width="${width}" height="${height}"/>`,
    `<text class="strong" x="10" y="26">${escaped(title)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
