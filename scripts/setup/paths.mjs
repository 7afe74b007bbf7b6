// Where things are: the repository's root, the built app, and the models and images that come with it.
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const dist = fileURLToPath(new URL('../../dist', import.meta.url));
export const shipped = fileURLToPath(new URL('../../public', import.meta.url));
