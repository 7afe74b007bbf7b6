// How fast a run is and how long it will take: seconds per step and per evaluation, measured as they go by.

export class Pace {
  #stepSeconds = 0;
  #steps = 0;
  #recent: number[] = [];
  #evaluations: number[] = [];

  /** Notes one step. The first is slow on every backend (compiling, uploading) and does not count for the estimate. */
  addStep(seconds: number): void {
    this.#stepSeconds += seconds;
    this.#steps += 1;
    if (this.#steps === 1) return;
    this.#recent.push(seconds);
    if (this.#recent.length > 20) this.#recent.shift();
  }

  addEvaluation(seconds: number): void {
    this.#evaluations.push(seconds);
  }

  /** Mean over all steps; 0 before the first. */
  get secondsPerStep(): number {
    return this.#steps === 0 ? 0 : this.#stepSeconds / this.#steps;
  }

  /** Mean of the latest steps: what the next ones will cost. */
  get currentSecondsPerStep(): number {
    if (this.#recent.length === 0) return this.secondsPerStep;
    return this.#recent.reduce((a, b) => a + b, 0) / this.#recent.length;
  }

  /** Seconds until the end; null before the first step is measured. */
  secondsLeft(stepsLeft: number, evaluationsLeft: number): number | null {
    if (this.#recent.length === 0) return null;
    const evaluation = this.#evaluations.reduce((a, b) => a + b, 0) / Math.max(1, this.#evaluations.length);
    return stepsLeft * this.currentSecondsPerStep + evaluationsLeft * evaluation;
  }
}
