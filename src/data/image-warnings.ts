// Warnings about an image that is used all the same: what its header and its name tell the user to expect.
import { extensionOf, promisedFormat } from './file-path.ts';
import type { ImageHeader } from './image-format.ts';
import type { ImageWarning } from './import-report.ts';
import type { StoredPixels } from './png-pixels.ts';

/** Sides below this many pixels, and sides more than so many times as long as the other, are worth a word. */
const tinySide = 16;
const extremeAspect = 10;

/**
 * The warnings for one image; `name` is its file name, `stored` what was read beyond its header, `windowed` whether
 * 16-bit grey goes through a window.
 */
export function warningsOf(
  header: ImageHeader,
  stored: StoredPixels | null,
  name: string,
  windowed = false,
): ImageWarning[] {
  const warnings: ImageWarning[] = [];
  const { format, width, height, frames } = header;
  const promised = promisedFormat(extensionOf(name));
  if (promised !== format) {
    warnings.push({
      code: 'sniffed',
      text: `Its content is ${format.toUpperCase()}, though its name ${promised === null ? 'does not say so' : 'says otherwise'}.`,
    });
  }
  if (name.includes('\\'))
    warnings.push({ code: 'backslash', text: 'The backslash in its name is taken as a letter.' });
  if (header.cmyk)
    warnings.push({ code: 'converted-colour', text: 'CMYK is converted to RGB; colours may shift.' });
  if (header.bitDepth > 8) {
    const range = stored?.range ?? null;
    const reach = range === null ? '' : ` (its values: ${range[0]} to ${range[1]})`;
    const how =
      header.grey16 && windowed
        ? ' through a window'
        : stored?.dark === true
          ? ' by the high byte: nearly black. Read 16-bit grey through a window instead'
          : '';
    warnings.push({
      code: 'reduced-depth',
      text: `${header.bitDepth} bits a channel${reach} are reduced to 8${how}.`,
    });
  }
  if (header.alpha && (stored?.alpha ?? null) === null)
    warnings.push({ code: 'flattened', text: 'Transparent parts, if any, are laid over white.' });
  else if (stored?.alpha === 'transparent')
    warnings.push({ code: 'flattened', text: 'Transparent parts are laid over white.' });
  else if (stored?.alpha === 'hidden')
    warnings.push({
      code: 'flattened',
      text: 'Transparent parts are laid over white; a reader that drops transparency shows the colours hidden there.',
    });
  if (frames > 1) {
    const what = format === 'tiff' ? `It has ${frames} pages` : `An animation of ${frames} frames`;
    warnings.push({ code: 'first-frame', text: `${what}: the first one is used.` });
  }
  if (Math.min(width, height) < tinySide) {
    warnings.push({ code: 'tiny', text: `Only ${width} x ${height} pixels.` });
  }
  const aspect = Math.max(width, height) / Math.min(width, height);
  if (aspect > extremeAspect) {
    warnings.push({
      code: 'extreme-aspect',
      text: `One side is ${Math.round(aspect)} times as long as the other.`,
    });
  }
  return warnings;
}
