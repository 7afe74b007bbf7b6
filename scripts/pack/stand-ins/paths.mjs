// For scripts/setup/paths.mjs: what comes with the app lies in its build alone.
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../..', import.meta.url));
export const dist = fileURLToPath(new URL('../../../dist', import.meta.url));
export const shipped = fileURLToPath(new URL('../../../dist', import.meta.url));
