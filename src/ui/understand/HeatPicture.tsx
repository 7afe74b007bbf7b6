// An image as the model gets it with a map of where it looks over it: two canvases, one above the other, of which
// the upper one has a pixel for each patch and is drawn out smoothly. In words for whoever does not see it.
import { heatFigures } from '../../understand/heat.ts';
import { PixelCanvas } from '../parts/PixelCanvas.tsx';
import { percentText } from '../parts/words.ts';
import styles from './Look.module.css';

interface HeatPictureProps {
  readonly pixels: Uint8Array;
  readonly side: number;
  /** Null where there is none; `why` says why. */
  readonly map: Float32Array | null;
  readonly grid: number;
  /** Of the map over the image, 0 to 1. */
  readonly strength: number;
  readonly title: string;
  readonly why?: string;
}

/** From weak to strong: seen on dark and on light images, and in shades of grey. */
const ramp = [
  [68, 1, 84],
  [187, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
] as const;

export function HeatPicture({ pixels, side, map, grid, strength, title, why }: HeatPictureProps) {
  const figures = map === null ? null : heatFigures(map, grid);
  const words =
    map === null
      ? (why ?? '')
      : figures === null
        ? 'Nothing: the map is empty.'
        : `Most at the ${figures.place}, row ${figures.row + 1}, column ${figures.column + 1} of ${grid}; ` +
          `a tenth of the patches holds ${percentText(figures.tenth, 0)}.`;
  return (
    <figure className={styles.figure}>
      <div className={styles.stack} role="img" aria-label={`${title}. ${words}`}>
        <PixelCanvas className={styles.layer} pixels={pixels} side={side} />
        {map !== null && (
          <canvas
            className={styles.layer}
            width={grid}
            height={grid}
            style={{ opacity: strength }}
            ref={(canvas) => drawHeat(canvas, map, grid)}
          />
        )}
      </div>
      <figcaption>
        <strong>{title}</strong> <span className={styles.soft}>{words}</span>
      </figcaption>
    </figure>
  );
}

function drawHeat(canvas: HTMLCanvasElement | null, map: Float32Array, grid: number): void {
  const context = canvas?.getContext('2d') ?? null;
  if (context === null) return;
  const most = map.reduce((a, b) => Math.max(a, b), 0);
  const shown = new Uint8ClampedArray(4 * grid * grid);
  map.forEach((value, i) => {
    const share = most > 0 ? Math.max(0, value) / most : 0;
    const place = share * (ramp.length - 1);
    const step = Math.min(ramp.length - 2, Math.floor(place));
    const [low, high] = [ramp[step] ?? ramp[0], ramp[step + 1] ?? ramp[0]];
    low.forEach((from, c) => {
      shown[4 * i + c] = from + ((high[c] ?? from) - from) * (place - step);
    });
    shown[4 * i + 3] = 255 * (0.15 + 0.85 * share);
  });
  context.putImageData(new ImageData(shown, grid), 0, 0);
}
