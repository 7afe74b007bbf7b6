// The branch map: every adapted linear of every block with its branches, as a picture and as a table, with the details
// of the one that is pointed at. Before a run it shows what would grow.
import { useMemo, useState } from 'react';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { useModel } from '../../state/model-store.ts';
import { previewModules } from '../../state/plan-preview.ts';
import { useRecipe } from '../../state/recipe-store.ts';
import { useRun } from '../../state/run-store.ts';
import type { ModuleView } from '../../worker/protocol.ts';
import { Card } from '../parts/Card.tsx';
import { Switch } from '../parts/Switch.tsx';
import { countText, wholeText } from '../parts/words.ts';
import { BranchDetails } from './BranchDetails.tsx';
import { BranchTable } from './BranchTable.tsx';
import { BranchTree } from './BranchTree.tsx';
import styles from './BranchCard.module.css';

function useModules(): { readonly modules: readonly ModuleView[]; readonly preview: boolean } {
  const running = useRun((state) => state.modules);
  const config = useModel((state) => state.model?.config ?? null);
  const recipe = useRecipe((state) => state.recipe ?? recipeDefaults);
  const planned = useMemo(() => (config === null ? [] : previewModules(config, recipe)), [config, recipe]);
  return running.length > 0 ? { modules: running, preview: false } : { modules: planned, preview: true };
}

export function BranchCard() {
  const { modules, preview } = useModules();
  const [view, setView] = useState<'picture' | 'table'>('picture');
  const [chosen, setChosen] = useState<string | null>(null);
  if (modules.length === 0) return null;
  const branches = modules.flatMap((module) => module.branches);
  const live = branches.filter(({ droppedAt }) => droppedAt === null).length;
  const dropped = branches.length - live;
  const first = modules[0];
  return (
    <Card
      title="Branches"
      aside={
        <Switch
          label="Show branches as"
          value={view}
          options={[
            { value: 'picture', label: 'Picture' },
            { value: 'table', label: 'Table' },
          ]}
          onChange={setView}
        />
      }
    >
      <div data-testid="branch-map" data-live={live} data-dropped={dropped} className={styles.body}>
        <p className={styles.lead}>
          {preview ? (
            <>
              What will grow: {countText(first?.branches.length ?? 0, 'branch', 'branches')} on each of{' '}
              {countText(modules.length, 'layer')}. The trunk is the pretrained model, which stays as it is.
            </>
          ) : (
            <>
              <strong>{wholeText(live)}</strong> growing, <strong>{wholeText(dropped)}</strong> dropped. The
              longer and thicker a branch, the more it changes its layer.
            </>
          )}
        </p>
        {view === 'picture' ? (
          <div className={styles.picture}>
            <BranchTree modules={modules} chosen={chosen} onChoose={setChosen} preview={preview} />
            <BranchDetails
              module={modules.find(({ module }) => module === chosen) ?? null}
              preview={preview}
            />
          </div>
        ) : (
          <BranchTable modules={modules} />
        )}
      </div>
    </Card>
  );
}
