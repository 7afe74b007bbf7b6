// One kernel of the table: its shape as fields, its WGSL, and what it gives beside float64 on the browser's
// GPU.
import { useMemo, useState } from 'react';
import { kernelOf, kernels, tryKernel, type KernelRequest, type Tried } from '../engine/checks/try-kernel.ts';
import { openGpu, type Gpu } from '../engine/gpu.ts';
import { tileName, tileSet } from '../engine/kernels/tuning/tile-set.ts';
import { unwrap } from '../shared/result.ts';
import { Button } from '../ui/parts/Button.tsx';
import styles from './Playground.module.css';

let gpu: Promise<Gpu> | null = null;

const words = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

const figure = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

function Differences({ tried }: { readonly tried: Tried }) {
  return (
    <>
      <p>
        {figure.format(1000 * tried.ms)} µs a dispatch on {tried.device}
        {tried.software ? ', emulated on the processor' : ''}
      </p>
      <table className={styles.table}>
        <thead>
          <tr>
            <th scope="col">Output</th>
            <th scope="col">Beside float64</th>
            <th scope="col">Off by</th>
            <th scope="col">Allowed</th>
            <th scope="col">Values</th>
          </tr>
        </thead>
        <tbody>
          {tried.differences.map(({ output, difference, allowed, values }) => (
            <tr key={output}>
              <th scope="row">{output}</th>
              <td>{difference <= allowed ? 'agrees' : 'DIFFERS'}</td>
              <td>{difference.toExponential(1)}</td>
              <td>{allowed.toExponential(1)}</td>
              <td>{values}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** The state of a try: nothing yet, under way, what came out, or why not. */
type Outcome = 'none' | 'running' | { readonly tried: Tried } | { readonly why: string };

/** The kernel's code, or what is wrong with what was asked for. */
function codeOf(request: KernelRequest) {
  if (!Number.isSafeInteger(request.seed) || request.seed < 0)
    return { request, code: null, wrong: 'The seed is a whole number from 0 on.' };
  try {
    const { kernel, grid } = kernelOf(request);
    return {
      request,
      code: `// ${kernel.name}: ${grid.join(' x ')} workgroups\n${kernel.code.trim()}`,
      wrong: null,
    };
  } catch (thrown) {
    return { request, code: null, wrong: words(thrown) };
  }
}

export function KernelPanel() {
  const [name, setName] = useState(kernels[0]?.[0] ?? '');
  const [shape, setShape] = useState<Readonly<Record<string, string>>>({});
  const [tile, setTile] = useState('');
  const [seed, setSeed] = useState('1');
  const [outcome, setOutcome] = useState<Outcome>('none');
  const row = kernels.find(([known]) => known === name)?.[1];
  const made = useMemo(
    () => codeOf({ name, shape, seed: Number(seed), tile: tile === '' ? null : tile }),
    [name, shape, seed, tile],
  );
  if (row === undefined) return null;

  const change = (key: string, value: string): void => {
    setShape({ ...shape, [key]: value });
    setOutcome('none');
  };
  const { request, code, wrong } = made;
  const run = async (): Promise<void> => {
    setOutcome('running');
    try {
      gpu ??= openGpu().then(unwrap);
      setOutcome({ tried: await tryKernel(await gpu, request) });
    } catch (thrown) {
      gpu = null;
      setOutcome({ why: words(thrown) });
    }
  };
  return (
    <main className={styles.panel}>
      <h1>One kernel</h1>
      <label className={styles.field}>
        Kernel
        <select
          value={name}
          onChange={({ currentTarget }) => {
            setName(currentTarget.value);
            setShape({});
            setTile('');
            setOutcome('none');
          }}
        >
          {kernels.map(([known]) => (
            <option key={known}>{known}</option>
          ))}
        </select>
      </label>
      <p>
        {row.about} <span className={styles.soft}>({row.file})</span>
      </p>
      <div className={styles.fields}>
        {Object.entries(row.sizes).map(([key, { value }]) => (
          <label key={key} className={styles.field}>
            {key}
            <input
              inputMode="numeric"
              value={shape[key] ?? String(value)}
              onChange={({ currentTarget }) => change(key, currentTarget.value)}
            />
          </label>
        ))}
        {Object.entries(row.choices).map(([key, choices]) => (
          <label key={key} className={styles.field}>
            {key}
            <select
              value={shape[key] ?? choices[0]}
              onChange={({ currentTarget }) => change(key, currentTarget.value)}
            >
              {choices.map((choice) => (
                <option key={choice}>{choice}</option>
              ))}
            </select>
          </label>
        ))}
        {row.tiled && (
          <label className={styles.field}>
            tile
            <select
              value={tile}
              onChange={({ currentTarget }) => {
                setTile(currentTarget.value);
                setOutcome('none');
              }}
            >
              <option value="">the preset’s</option>
              {tileSet.map((one) => (
                <option key={tileName(one)}>{tileName(one)}</option>
              ))}
            </select>
          </label>
        )}
        <label className={styles.field}>
          seed
          <input
            inputMode="numeric"
            value={seed}
            onChange={({ currentTarget }) => {
              setSeed(currentTarget.value);
              setOutcome('none');
            }}
          />
        </label>
      </div>
      <Button variant="primary" disabled={wrong !== null || outcome === 'running'} onClick={() => void run()}>
        Run and compare
      </Button>
      <div role="status" className={styles.outcome}>
        {wrong ?? (outcome === 'running' ? 'Compiling and running …' : null)}
        {typeof outcome === 'object' &&
          ('why' in outcome ? outcome.why : <Differences tried={outcome.tried} />)}
      </div>
      {code !== null && <pre className={styles.code}>{code}</pre>}
    </main>
  );
}
