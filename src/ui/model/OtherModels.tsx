// Other models that Graft can train, and what each is good for. They live on the Hugging Face Hub and are opened from
// disk for now.
import { Card } from '../parts/Card.tsx';
import styles from './ModelCard.module.css';

const models = [
  {
    title: 'DeiT-Tiny',
    repository: 'facebook/deit-tiny-patch16-224',
    size: '5.7 M parameters, 23 MB',
    goodFor: 'The best first step up: photographs of any kind, still quick on a laptop GPU.',
  },
  {
    title: 'DeiT-Small',
    repository: 'timm/deit_small_patch16_224.fb_in1k',
    size: '22 M parameters, 88 MB',
    goodFor: 'Classes that look alike, such as species or cell types, on a desktop GPU.',
  },
  {
    title: 'ViT-Small, ImageNet-21k',
    repository: 'timm/vit_small_patch16_224.augreg_in21k',
    size: '22 M parameters, 120 MB',
    goodFor: 'Plants, animals and everyday things: it has seen many more kinds of images.',
  },
  {
    title: 'ViT-Base, ImageNet-21k',
    repository: 'google/vit-base-patch16-224-in21k',
    size: '86 M parameters, 346 MB',
    goodFor: 'The model of most published comparisons; wants a GPU with several gigabytes.',
  },
];

export function OtherModels() {
  return (
    <Card title="Other models" id="other-models">
      <p>
        These are opened from disk for now: download <code>model.safetensors</code> and{' '}
        <code>config.json</code> from the model&rsquo;s page, then open both in the model card or drop them on
        this window.
      </p>
      <ul className={styles.others}>
        {models.map(({ title, repository, size, goodFor }) => (
          <li key={repository} className={styles.other}>
            <a href={`https://huggingface.co/${repository}/tree/main`} target="_blank" rel="noreferrer">
              {title}
            </a>
            <span className={styles.facts}>{size}</span>
            <span>{goodFor}</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
