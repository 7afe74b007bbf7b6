// From which streams the augmentations of a run draw, and how many draws an image of a step has of each.

/** Draws kept for one image. */
export const drawsAnImage = 64;

/** Streams of their own, so that what one draws is the same with and without the others. */
export const streams = { crop: 0, over: 1, colour: 2, erase: 3, rotate: 4, blur: 5, random: 6 } as const;
