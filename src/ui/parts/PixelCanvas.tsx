// A square image of bytes, pixel by pixel, in the size that its place gives it.
interface PixelCanvasProps {
  /** [side, side, 3] */
  readonly pixels: Uint8Array | Uint8ClampedArray;
  readonly side: number;
  readonly className: string | undefined;
}

export function PixelCanvas({ pixels, side, className }: PixelCanvasProps) {
  return (
    <canvas
      className={className}
      width={side}
      height={side}
      ref={(canvas) => drawPixels(canvas, pixels, side)}
    />
  );
}

function drawPixels(
  canvas: HTMLCanvasElement | null,
  pixels: PixelCanvasProps['pixels'],
  side: number,
): void {
  const context = canvas?.getContext('2d') ?? null;
  if (context === null) return;
  const shown = new Uint8ClampedArray(4 * side * side).fill(255);
  for (let i = 0; i < side * side; i++) shown.set(pixels.subarray(3 * i, 3 * i + 3), 4 * i);
  context.putImageData(new ImageData(shown, side), 0, 0);
}
