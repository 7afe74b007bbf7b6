// The groups of the form of a recipe: their order, their titles, and what is said of one that is closed.

/** The words of what an option's field holds now; null while it is not shown. */
type Say = (path: string) => string | null;

export type GroupName = 'length' | 'branches' | 'split' | 'augmentation' | 'loss' | 'memory' | 'optimiser';

export interface Group {
  readonly name: GroupName;
  readonly title: string;
  /** What stands beside the title while the group is closed. */
  readonly summary: (say: Say) => string;
}

/** The groups of the form in their order; the fields of `length` are always in sight. */
export const groups: readonly Group[] = [
  { name: 'length', title: 'Length', summary: () => '' },
  {
    name: 'branches',
    title: 'Branches',
    summary: (say) => {
      const [start, end] = [say('dmlora.branches'), say('dmlora.branchesEnd')];
      const crossed = say('dmlora.pairing') === 'Crossed' ? ', crossed' : '';
      const tuned = say('backbone.tune') ?? 'Frozen';
      const beside = tuned === 'Frozen' ? '' : `, backbone: ${tuned}`;
      if (start === 'None') return `none${beside === '' ? ', the head alone' : beside}`;
      return `${end === null ? `${start}, all stay` : `${start} → ${end}`}, rank ${say('dmlora.rank')}${crossed}${beside}`;
    },
  },
  {
    name: 'split',
    title: 'Split',
    summary: (say) => {
      const [train, together] = [say('split.trainPerClass'), say('split.together')];
      const fold = say('split.fold');
      return [
        fold === null
          ? `${say('split.validationFraction')} to validate`
          : `fold ${fold} of ${say('split.folds')} validates`,
        ...(train === 'all' || train === null ? [] : [`${train} a class to learn from`]),
        ...(together === 'each by itself' ? [] : [`drawn together ${together}`]),
      ].join(', ');
    },
  },
  {
    name: 'augmentation',
    title: 'Augmentation',
    summary: (say) => {
      const also = (path: string, name: string): string[] => {
        const words = say(path);
        return words === null || /^0( |$)/.test(words) ? [] : [`${name} ${words}`];
      };
      return [
        say('augment')?.toLowerCase() ?? '',
        ...also('rotation', 'rotated ±'),
        ...also('colourJitter', 'colours ±'),
        ...also('blur', 'blurred'),
        ...also('randomErasing', 'erased'),
        ...(['Off', null].includes(say('randAugment')) ? [] : also('randAugment', 'RandAugment')),
        ...also('mixup', 'mixup'),
        ...also('cutmix', 'CutMix'),
      ].join(', ');
    },
  },
  {
    name: 'loss',
    title: 'Loss',
    summary: (say) => {
      const smoothing = say('labelSmoothing');
      const classes = `classes ${say('classBalance')?.toLowerCase()}`;
      return smoothing === '0 %' ? classes : `${classes}, labels smoothed by ${smoothing}`;
    },
  },
  { name: 'memory', title: 'Memory', summary: (say) => say('memory.budgetMB') ?? '' },
  { name: 'optimiser', title: 'Optimiser', summary: () => 'AdamW, cosine' },
];
