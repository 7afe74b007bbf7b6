// What the model will see: the way to the images of the coming steps, which are loaded and made when somebody
// asks.
import { Suspense, useState } from 'react';
import { useData } from '../../state/data-store.ts';
import { useModel } from '../../state/model-store.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { lazyPart } from '../parts/lazy-part.tsx';
import { useControls } from '../use-controls.ts';
import styles from './RecipeCard.module.css';

const StepImages = lazyPart(() => import('./StepImages.tsx'));

/** Between runs, as a run that is under way has the worker to itself. */
export function StepViewCard() {
  const { edit } = useControls();
  const modelReady = useModel(({ status, model }) => status === 'ready' && model !== null);
  const dataReady = useData(({ status, data }) => status === 'ready' && data?.fault === null);
  const [isOpen, setOpen] = useState(false);
  if (!edit || !modelReady || !dataReady) return null;
  return (
    <Card
      title="What the model will see"
      aside={
        <Button
          variant="quiet"
          aria-expanded={isOpen}
          aria-controls="step-images"
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? 'Hide the images' : 'Show the first step'}
        </Button>
      }
    >
      <div id="step-images" className={styles.view} hidden={!isOpen}>
        {isOpen && (
          <Suspense fallback={null}>
            <StepImages />
          </Suspense>
        )}
      </div>
    </Card>
  );
}
