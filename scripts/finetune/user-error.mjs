// An error that the user can put right: its message is a sentence, shown without a stack.

export class UserError extends Error {
  /**
   * @param {string} message
   * @param {object} [fault] the app's own description of what went wrong, where it comes from there
   */
  constructor(message, fault = { kind: 'command', message }) {
    super(message);
    this.fault = fault;
  }
}
