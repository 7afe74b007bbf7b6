// Hands the trainer's actions to the components. The stores are read directly; only actions come through
// here.
import { createContext, use } from 'react';
import type { Trainer } from '../state/trainer.ts';

export const TrainerContext = createContext<Trainer | null>(null);

export function useTrainer(): Trainer {
  const trainer = use(TrainerContext);
  if (trainer === null) throw new Error('No trainer was provided.');
  return trainer;
}
