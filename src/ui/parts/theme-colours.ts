// The theme's colours for what is drawn on a canvas, which no style sheet reaches.

const names = {
  card: '--card',
  ink: '--ink',
  soft: '--ink-soft',
  line: '--line',
  leaf: '--leaf',
  leafTip: '--leaf-tip',
  bark: '--bark',
  barkSoft: '--bark-soft',
  ochre: '--ochre',
  clay: '--clay',
  sky: '--sky',
} as const;

export type Colours = Readonly<Record<keyof typeof names, string>>;

/** As they are now: asked for anew where the theme changes. */
export function themeColours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const of = (name: keyof typeof names): string => style.getPropertyValue(names[name]).trim();
  return {
    card: of('card'),
    ink: of('ink'),
    soft: of('soft'),
    line: of('line'),
    leaf: of('leaf'),
    leafTip: of('leafTip'),
    bark: of('bark'),
    barkSoft: of('barkSoft'),
    ochre: of('ochre'),
    clay: of('clay'),
    sky: of('sky'),
  };
}
