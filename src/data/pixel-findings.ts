// Images that another tool will see otherwise: which kinds there are among the images of a run, how many of
// each, and what to know about it. What a pixel is here, and why, stands in docs/decisions/pixels.md. Knows
// no tool's code.
import type { ImportedImage } from './import-report.ts';
import { grey16Words, type Grey16Window } from './preprocessing.ts';

type PixelFindingKind = 'grey-16' | 'hidden-colours' | 'transparency' | 'colour-profiles' | 'cmyk' | 'turned';

export interface PixelFinding {
  readonly kind: PixelFindingKind;
  readonly images: number;
  /** Sentences for the user: what Graft does, what others do. */
  readonly text: string;
}

type Image = Pick<ImportedImage, 'header' | 'stored'>;

const isOf: Readonly<Record<PixelFindingKind, (image: Image) => boolean>> = {
  'grey-16': ({ header }) => header.grey16,
  'hidden-colours': ({ stored }) => stored?.alpha === 'hidden',
  // Formats whose pixels are not looked at before they are decoded.
  transparency: ({ header, stored }) => header.alpha && (stored?.alpha ?? null) === null,
  'colour-profiles': ({ header }) => header.colours !== null && !header.cmyk,
  cmyk: ({ header }) => header.cmyk,
  turned: ({ header }) => header.orientation !== 1,
};

const kinds: readonly PixelFindingKind[] = [
  'grey-16',
  'hidden-colours',
  'transparency',
  'colour-profiles',
  'cmyk',
  'turned',
];

/** The kinds that occur among the images, in a fixed order; `window` is what 16-bit grey goes through. */
export function pixelFindings(images: readonly Image[], window: Grey16Window | null = null): PixelFinding[] {
  return kinds.flatMap((kind) => {
    const found = images.filter(isOf[kind]);
    return found.length === 0 ? [] : [{ kind, images: found.length, text: textOf(kind, found, window) }];
  });
}

function textOf(kind: PixelFindingKind, images: readonly Image[], window: Grey16Window | null): string {
  const { length } = images;
  const are = `${length.toLocaleString('en')} ${length === 1 ? 'image is' : 'images are'}`;
  const carry = `${length.toLocaleString('en')} ${length === 1 ? 'image carries' : 'images carry'}`;
  switch (kind) {
    case 'grey-16': {
      const alpha = images.some(({ header }) => header.alpha)
        ? ' (with an alpha channel it takes the high byte)'
        : '';
      const pillow = `Pillow's convert("RGB"), which most Python loaders call, makes everything above 255 white instead${alpha}.`;
      if (window !== null)
        return (
          `${are} grey of 16 bits, ${length === 1 ? 'which is' : 'each of them'} spread over 8 bits ` +
          `${grey16Words(window)}. Other tools do not do that by themselves: ${pillow}`
        );
      const dark = images.filter(({ stored }) => stored?.dark === true).length;
      const one = dark === 1;
      const who = dark === length ? (one ? 'It' : 'They') : `${dark.toLocaleString('en')} of them`;
      const words =
        dark === 0
          ? ''
          : ` ${who} ${one ? 'uses' : 'use'} less than a sixteenth of that range, as cameras of 12 bits do, and ` +
            `${one ? 'is' : 'are'} nearly black here: read them through a window instead, a choice of how the ` +
            'images are read.';
      return `${are} grey of 16 bits: the high byte is taken, so that 0 is black and 65,535 white.${words} ${pillow}`;
    }
    case 'hidden-colours':
      return (
        `${are} transparent with colours hidden there: laid over white here. Python's convert("RGB") drops the ` +
        'transparency, and the hidden colours appear.'
      );
    case 'transparency':
      return (
        `${are} of a kind that may be transparent: laid over white here, while Python's convert("RGB") drops ` +
        'transparency.'
      );
    case 'colour-profiles': {
      const names = [...new Set(images.flatMap(({ header }) => header.colours ?? []))];
      const shown = names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '');
      return (
        `${carry} colours that are not sRGB (${shown}): the stored numbers are taken, as Python does. Browsers, ` +
        'and transformers.js in them, convert such colours.'
      );
    }
    case 'cmyk':
      return (
        `${are} CMYK: turned into RGB without a profile, as Pillow does. transformers.js under Node and other readers go ` +
        'by a profile and give other colours.'
      );
    case 'turned': {
      const webp = images.filter(({ header }) => header.format === 'webp').length;
      return (
        `${are} stored lying and set upright by their EXIF, as transformers' pipeline does. A bare Image.open in Python ` +
        `leaves them lying${webp > 0 ? ', and a browser leaves a WebP so' : ''}.`
      );
    }
    default:
      return kind satisfies never;
  }
}
