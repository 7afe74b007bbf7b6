// The tree of switches: a box for each block, in it one for each layer, in it one for each branch, and a slider
// for the layer's scalar. Boxes and buttons of the browser, so that the tab key and the space bar do all.
import { memo, useCallback, useMemo, useState } from 'react';
import {
  allBut,
  asItIs,
  switched,
  type BranchRef,
  type Counterfactual,
} from '../../dmlora/counterfactual.ts';
import { branchStore, tryBranches, useBranches } from '../../state/branch-store.ts';
import type { BranchFigures } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { cx } from '../parts/cx.ts';
import { countText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { liveOf, refKey, type Block, type Layer, type LayerBranch } from './branch-tree.ts';
import styles from './Branches.module.css';
import shared from './Understand.module.css';

interface Turning {
  /** Switches branches on or off. */
  readonly turn: (refs: readonly BranchRef[], isOn: boolean) => void;
  /** Leaves only these on. */
  readonly only: (refs: readonly BranchRef[]) => void;
  readonly scale: (module: string, scalar: number) => void;
}

export function BranchSwitches({
  blocks,
  figures,
}: {
  readonly blocks: readonly Block[];
  readonly figures: BranchFigures;
}) {
  const trainer = useTrainer();
  const what = useBranches((state) => state.what);
  const gone = useMemo(() => new Set(figures.dropped.map(refKey)), [figures]);
  const change = useCallback(
    (to: (what: Counterfactual) => Counterfactual) =>
      void tryBranches(trainer, to(branchStore.getState().what)),
    [trainer],
  );
  const turning = useMemo((): Turning => {
    const wasDropped = (ref: BranchRef): boolean => gone.has(refKey(ref));
    const live = liveOf(blocks.flatMap(({ layers }) => layers));
    return {
      turn: (refs, isOn) => change((now) => switched(now, refs, isOn, wasDropped)),
      only: (refs) => change((now) => ({ ...now, off: allBut(live, refs), restored: [] })),
      scale: (module, scalar) =>
        change((now) => ({ ...now, scalars: new Map([...now.scalars, [module, scalar]]) })),
    };
  }, [blocks, gone, change]);
  const off = useMemo(() => new Set(what.off.map(refKey)), [what]);
  const back = useMemo(() => new Set(what.restored.map(refKey)), [what]);
  const all = what.off.length + what.restored.length + what.scalars.size;
  return (
    <div className={shared.part}>
      <div className={shared.bar}>
        <h3 className={shared.subtitle}>Switches</h3>
        <span className={styles.actions}>
          {gone.size > 0 && (
            <Button
              variant="quiet"
              held={back.size === gone.size}
              onClick={() =>
                turning.turn(
                  figures.dropped.map(({ module, branch }) => ({ module, branch })),
                  true,
                )
              }
            >
              Dropped ones back
            </Button>
          )}
          <Button variant="quiet" held={all === 0} onClick={() => void tryBranches(trainer, asItIs)}>
            All as in the run
          </Button>
        </span>
      </div>
      <ul className={styles.blocks} aria-label="Blocks, the first at the top">
        {blocks.map((block) => (
          <BlockRow
            key={block.block}
            block={block}
            state={stateOf(block, off, back, what)}
            turning={turning}
          />
        ))}
      </ul>
    </div>
  );
}

/** What of a block is switched, as text: a block is drawn anew only where that is another. */
function stateOf(
  { layers }: Block,
  off: ReadonlySet<string>,
  back: ReadonlySet<string>,
  { scalars }: Counterfactual,
): string {
  return layers
    .map(({ module, branches }) =>
      [
        scalars.get(module) ?? '',
        ...branches.map((ref) => {
          const key = refKey(ref);
          return (ref.droppedAt === null ? !off.has(key) : back.has(key)) ? 1 : 0;
        }),
      ].join(' '),
    )
    .join();
}

/** Back from that text. */
const readState = (state: string): { readonly scalar: number | null; readonly on: readonly boolean[] }[] =>
  state.split(',').map((layer) => {
    const [scalar = '', ...on] = layer.split(' ');
    return { scalar: scalar === '' ? null : Number(scalar), on: on.map((one) => one === '1') };
  });

interface BlockRowProps {
  readonly block: Block;
  readonly state: string;
  readonly turning: Turning;
}

const BlockRow = memo(function BlockRow({ block: { block, layers }, state, turning }: BlockRowProps) {
  const [isOpen, setOpen] = useState(false);
  const states = readState(state);
  const live = liveOf(layers);
  const on = layers.reduce((sum, layer, i) => sum + liveOn(layer, states[i]?.on ?? []), 0);
  const back = states.reduce((sum, { on: ones }) => sum + ones.filter(Boolean).length, 0) - on;
  const scaled = states.filter(({ scalar }) => scalar !== null).length;
  const name = `Block ${block}`;
  return (
    <li className={styles.block} data-testid="switch-block" data-on={on}>
      <div className={styles.row}>
        <Box label={name} on={on} of={live.length} onTurn={(isOn) => turning.turn(live, isOn)}>
          {name}
        </Box>
        <span className={styles.count}>
          {on} of {live.length} on{back > 0 && `, ${back} back`}
          {scaled > 0 && `, ${countText(scaled, 'scalar')} by hand`}
        </span>
        <Button variant="quiet" aria-label={`Only block ${block}`} onClick={() => turning.only(live)}>
          Only
        </Button>
        <Button
          variant="quiet"
          aria-expanded={isOpen}
          aria-label={`Layers of block ${block}`}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? 'Close' : 'Layers'}
        </Button>
      </div>
      {isOpen && (
        <ul className={styles.layers} aria-label={`Layers of block ${block}`}>
          {layers.map((layer, i) => (
            <LayerRow
              key={layer.module}
              layer={layer}
              name={`block ${block}, ${layer.words}`}
              on={states[i]?.on ?? []}
              scalar={states[i]?.scalar ?? layer.scalar}
              turning={turning}
            />
          ))}
        </ul>
      )}
    </li>
  );
});

const liveOn = ({ branches }: Layer, on: readonly boolean[]): number =>
  branches.filter(({ droppedAt }, k) => droppedAt === null && on[k] === true).length;

interface LayerRowProps {
  readonly layer: Layer;
  readonly name: string;
  readonly on: readonly boolean[];
  readonly scalar: number;
  readonly turning: Turning;
}

function LayerRow({ layer, name, on, scalar, turning }: LayerRowProps) {
  const live = liveOf([layer]);
  return (
    <li className={styles.layer}>
      <div className={styles.row}>
        <Box
          label={`All of ${name}`}
          on={liveOn(layer, on)}
          of={live.length}
          onTurn={(isOn) => turning.turn(live, isOn)}
        >
          {layer.words}
        </Box>
        <Button variant="quiet" aria-label={`Only ${name}`} onClick={() => turning.only(live)}>
          Only
        </Button>
      </div>
      <div className={styles.chips}>
        {layer.branches.map((branch, k) => (
          <Chip key={branch.branch} branch={branch} name={name} isOn={on[k] === true} turning={turning} />
        ))}
      </div>
      <label className={styles.scalar}>
        <span>Scalar</span>
        <input
          type="range"
          min={0}
          max={Math.max(2, Math.ceil(2 * layer.scalar))}
          step={0.01}
          value={scalar}
          aria-label={`Scalar of ${name}`}
          onChange={({ target }) => turning.scale(layer.module, target.valueAsNumber)}
        />
        <output>{scalar.toFixed(2)}</output>
      </label>
    </li>
  );
}

interface ChipProps {
  readonly branch: LayerBranch;
  readonly name: string;
  readonly isOn: boolean;
  readonly turning: Turning;
}

function Chip({ branch: { module, branch, droppedAt, canBeOn }, name, isOn, turning }: ChipProps) {
  const left = droppedAt === null ? '' : `, dropped at step ${droppedAt}`;
  if (!canBeOn)
    return (
      <span className={cx(styles.chip, styles.gone)} title="This run did not keep it.">
        {branch} <small>dropped at {droppedAt}, not kept</small>
      </span>
    );
  return (
    <label className={cx(styles.chip, droppedAt !== null && styles.gone)}>
      <input
        type="checkbox"
        checked={isOn}
        aria-label={`Branch ${branch} of ${name}${left}`}
        onChange={({ target }) => turning.turn([{ module, branch }], target.checked)}
      />
      {branch}
      {droppedAt !== null && <small>dropped at {droppedAt}</small>}
    </label>
  );
}

interface BoxProps {
  readonly label: string;
  readonly on: number;
  readonly of: number;
  readonly onTurn: (isOn: boolean) => void;
  readonly children: string;
}

/** On, off, or between: what is between turns on. */
function Box({ label, on, of, onTurn, children }: BoxProps) {
  const isMixed = on > 0 && on < of;
  const mark = useCallback(
    (box: HTMLInputElement | null) => {
      if (box !== null) box.indeterminate = isMixed;
    },
    [isMixed],
  );
  return (
    <label className={styles.box}>
      <input
        ref={mark}
        type="checkbox"
        checked={on === of}
        aria-label={label}
        onChange={() => onTurn(on < of)}
      />
      {children}
    </label>
  );
}
