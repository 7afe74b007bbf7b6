// The canvas of the branch map: drawn when what it shows, the theme or its size has changed, and in each frame
// while something moves.
import { useEffect, useRef } from 'react';
import { themeStore } from '../../state/theme-store.ts';
import { inTurn } from '../parts/draw-in-turn.ts';
import { themeColours, type Colours } from '../parts/theme-colours.ts';
import { drawTree, limbAims, type TreeScene } from './tree-drawing.ts';
import { TreeMotion, type Motion } from './tree-motion.ts';
import styles from './BranchCard.module.css';

/** Draws one canvas for as long as it is shown. */
class Painter {
  readonly #context: CanvasRenderingContext2D | null;
  readonly #motion = new TreeMotion();
  /** Asked for at the first drawing, and at the first in another theme. */
  #colours: Colours | null = null;
  #scene: TreeScene | null = null;
  #takeBack = (): void => undefined;

  constructor(readonly canvas: HTMLCanvasElement) {
    this.#context = canvas.getContext('2d');
    // Another density of pixels, and a picture that went with the GPU's process.
    addEventListener('resize', this.#drawSoon);
    canvas.addEventListener('contextrestored', this.#drawSoon);
  }

  show(scene: TreeScene, motion: Motion): void {
    const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    // What a run that is opened has dropped before did not fall before our eyes: its plan is another picture.
    const isOther = this.#scene !== null && this.#scene.preview !== scene.preview;
    this.#motion.aim(
      limbAims(scene),
      isCalm || isOther ? 'none' : motion,
      scene.layout.reach,
      performance.now(),
    );
    this.#scene = scene;
    this.#drawSoon();
  }

  recolour(): void {
    this.#colours = null;
    this.#drawSoon();
  }

  end(): void {
    removeEventListener('resize', this.#drawSoon);
    this.canvas.removeEventListener('contextrestored', this.#drawSoon);
    this.#takeBack();
  }

  readonly #drawSoon = (): void => {
    this.#takeBack();
    this.#takeBack = inTurn(() => this.#draw());
  };

  #draw(): void {
    if (this.#scene === null || this.#context === null) return;
    const { width, height } = this.#scene.layout;
    const ratio = devicePixelRatio;
    const size = { width: Math.round(width * ratio), height: Math.round(height * ratio) };
    if (this.canvas.width !== size.width || this.canvas.height !== size.height)
      Object.assign(this.canvas, size);
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#colours ??= themeColours();
    const now = performance.now();
    drawTree(this.#context, this.#scene, this.#colours, { motion: this.#motion, now });
    if (this.#motion.isMoving(now)) this.#drawSoon();
  }
}

interface TreeCanvasProps {
  readonly scene: TreeScene;
  readonly motion: Motion;
}

export function TreeCanvas({ scene, motion }: TreeCanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const painter = useRef<Painter>(null);
  useEffect(() => {
    if (canvas.current === null) return;
    const current = new Painter(canvas.current);
    painter.current = current;
    const unsubscribe = themeStore.subscribe((now, before) => {
      if (now.version !== before.version) current.recolour();
    });
    return () => {
      unsubscribe();
      current.end();
      painter.current = null;
    };
  }, []);
  useEffect(() => painter.current?.show(scene, motion), [scene, motion]);
  const { width, height } = scene.layout;
  return <canvas ref={canvas} className={styles.canvas} style={{ width, height }} aria-hidden="true" />;
}
