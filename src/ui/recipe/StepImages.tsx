// The images of a step of the run to come as the network will take them, with their labels: the same pixels, in
// the same order. Made anew as the recipe, the images or the model change.
import { useEffect } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { useData } from '../../state/data-store.ts';
import { useModel } from '../../state/model-store.ts';
import { useRecipe } from '../../state/recipe-store.ts';
import { useStepView } from '../../state/step-view-store.ts';
import type { StepView } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { PixelCanvas } from '../parts/PixelCanvas.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { countText, percentText, wholeText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import styles from './StepImages.module.css';

const quietMs = 300;

export default function StepImages() {
  const trainer = useTrainer();
  const recipe = useRecipe((state) => state.recipe);
  const model = useModel((state) => state.model);
  const data = useData((state) => state.data);
  const step = useStepView((state) => state.step);
  const view = useStepView((state) => state.view);
  const isAsking = useStepView((state) => state.isAsking);
  const fault = useStepView((state) => state.fault);
  useEffect(() => {
    const timer = setTimeout(() => void trainer.viewStep(step), quietMs);
    return () => clearTimeout(timer);
  }, [trainer, recipe, model, data, step]);
  useEffect(() => () => trainer.stopViewing(), [trainer]);
  return (
    <>
      <p className={styles.soft}>
        The very pixels that the run will be given for this recipe, seed and set of images, in its order; only
        the model’s normalisation is undone.
      </p>
      {fault !== null && <FaultBox fault={fault} />}
      {isAsking && view === null && <ProgressLine fallback="Making the images of the step" />}
      {recipe === null && <p>Correct the marked settings to see what they do.</p>}
      {view !== null && <Shown view={view} step={step} isAsking={isAsking} />}
    </>
  );
}

interface ShownProps {
  readonly view: StepView;
  /** That is asked for. */
  readonly step: number;
  readonly isAsking: boolean;
}

function Shown({ view, step, isAsking }: ShownProps) {
  const trainer = useTrainer();
  const { images, pixels, side, batch, steps } = view;
  const values = 3 * side * side;
  const some = images.length < batch ? `, the first ${wholeText(images.length)}` : '';
  return (
    <>
      <div className={styles.bar}>
        <p role="status" data-testid="viewed-step" data-step={view.step}>
          Step {wholeText(view.step + 1)} of {wholeText(steps)}: {countText(batch, 'image')}
          {some}
        </p>
        <div>
          <Button variant="quiet" held={step === 0} onClick={() => void trainer.viewStep(step - 1)}>
            Step before
          </Button>
          <Button variant="quiet" held={step >= steps - 1} onClick={() => void trainer.viewStep(step + 1)}>
            Next step
          </Button>
        </div>
      </div>
      <ul className={styles.grid} aria-label="Images of the step" aria-busy={isAsking}>
        {images.map((image, at) => (
          <li key={at} className={styles.item} title={plainText(image.path, 200)}>
            <PixelCanvas
              className={styles.picture}
              pixels={pixels.subarray(at * values, (at + 1) * values)}
              side={side}
            />
            <Label image={image} />
          </li>
        ))}
      </ul>
    </>
  );
}

/** The class; of two images that are mixed both, each with its share. */
function Label({ image: { class: own, mixed } }: { readonly image: StepView['images'][number] }) {
  const name = (of: string) => <bdi>{plainText(of, 60)}</bdi>;
  if (mixed === null) return <span>{name(own)}</span>;
  return (
    <span>
      {name(own)} {percentText(1 - mixed.share, 0)} + {name(mixed.class)} {percentText(mixed.share, 0)}
    </span>
  );
}
