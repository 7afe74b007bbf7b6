// The order in which timm numbers folders of classes by itself (timm/data/readers/reader_image_folder.py,
// natural_key): numbers in names count as numbers, and case does not. torchvision and datasets sort by code
// points.

const partsOf = (name: string): readonly string[] => name.toLowerCase().split(/(\d+)/);

function compared(a: string, b: string): number {
  const [ofA, ofB] = [partsOf(a), partsOf(b)];
  for (let i = 0; i < Math.min(ofA.length, ofB.length); i++) {
    const [x = '', y = ''] = [ofA[i], ofB[i]];
    // Text and numbers take turns.
    const difference = i % 2 === 1 ? Number(x) - Number(y) : x < y ? -1 : Number(x > y);
    if (difference !== 0) return difference;
  }
  return ofA.length - ofB.length;
}

/** Whether timm would number folders of these names as they stand here. */
export const isTimmOrder = (classes: readonly string[]): boolean =>
  classes.every((name, i) => i === 0 || compared(classes[i - 1] ?? '', name) <= 0);
