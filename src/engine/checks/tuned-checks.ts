// What is tuned of the backbone on an engine: the runs of the reference vectors in which LayerNorms, biases
// or all of it learn, without branches and beside them, and every gradient. Functions that throw.
import { allOpen, parametersOf } from '../../dmlora/adapter.ts';
import { tunedStart, type Tune } from '../../dmlora/tuned.ts';
import { present } from '../../shared/assert.ts';
import { unwrap } from '../../shared/result.ts';
import { assertClose } from './close.ts';
import { adapterFrom, batchFrom, readMicroModel, readTensors, tensorOf } from './reference.ts';
import { prepared, times, type Figures, type Setting } from './setting.ts';
import { followTrajectory } from './trajectory-checks.ts';

/** Gradients of what is tuned beside branches on all linears; those of the branches are what they are without it. */
const gradientsOf =
  (tune: Tune) =>
  async (setting: Setting): Promise<Figures> => {
    const given = await readTensors(setting.read, 'grads_all.safetensors');
    const wanted = await readTensors(setting.read, 'grads_tuned.safetensors');
    const tuned = tunedStart(await readMicroModel(setting.read), tune);
    const adapter = { ...adapterFrom(given, 'param.'), ...tuned };
    const batch = batchFrom(given);
    const shapes = { batch: batch.labels.length, classes: adapter.head.bias.data.length };
    const engine = await prepared(setting, adapter, shapes);
    const { logits, gradients } = unwrap(await engine.gradients(batch, allOpen));
    engine.dispose();
    const near = times({ abs: 5e-6, rel: 5e-6 }, setting.slack);
    const figures = { logits: assertClose('logits', logits.data, tensorOf(wanted, 'logits').data, near) };
    const all = [...wanted.keys()].filter((name) => name.startsWith('grad.'));
    const learning = new Set([...parametersOf(adapter).keys()].map((name) => `grad.${name}`));
    const names = all.filter((name) => learning.has(name));
    if (names.length !== gradients.size || (tune === 'all' && names.length !== all.length))
      throw new Error(`there are ${gradients.size} gradients, and ${names.length} of them in the reference`);
    const close = times({ abs: 2e-6, rel: 2e-5 }, setting.slack);
    const worst = names.map((name) => {
      const gradient = present(gradients.get(name.slice('grad.'.length)), name);
      return assertClose(name, gradient.data, tensorOf(wanted, name).data, close);
    });
    return { ...figures, gradients: Math.max(...worst) };
  };

const alone = { scalars: 'joint', branches: false } as const;

/** What every engine computes. */
export const tunedChecks = {
  'gradients of LayerNorms': gradientsOf('norms'),
  'gradients of biases': gradientsOf('biases'),
  'tuned LayerNorms': (setting: Setting) =>
    followTrajectory(setting, 'train_norms', 1e-5, { ...alone, tune: 'norms' }),
  'tuned biases': (setting: Setting) =>
    followTrajectory(setting, 'train_biases', 1e-5, { ...alone, tune: 'biases' }),
  'tuned LayerNorms beside branches': (setting: Setting) =>
    followTrajectory(setting, 'train_beside', 1e-5, { tune: 'norms' }),
  'gradients of the backbone': gradientsOf('all'),
  'full fine-tuning': (setting: Setting) =>
    followTrajectory(setting, 'train_all', 1e-5, { ...alone, tune: 'all' }),
} as const;
