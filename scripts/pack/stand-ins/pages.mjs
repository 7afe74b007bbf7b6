// For scripts/ablate/pages.ts: where only Node is, there is no browser.
import { UserError } from '../../finetune/user-error.mjs';

export const withPages = () =>
  Promise.reject(new UserError('A packed form has no browser: leave --runtime out.'));
