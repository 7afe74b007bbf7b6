// What became of files that are not simply used: refused, used with a warning, passed over; each with its
// reason.
import { plainText } from '../../shared/plain-text.ts';
import type { DataSummary, FileVerdict } from '../../worker/protocol.ts';
import { countText } from '../parts/words.ts';
import styles from './ImagesCard.module.css';

/** More would only slow the page down; the count above the list is of all. */
const most = 500;

interface ListProps {
  readonly files: readonly FileVerdict[];
  readonly words: string;
  readonly variant?: string | undefined;
  readonly testId: string;
}

function List({ files, words, variant, testId }: ListProps) {
  if (files.length === 0) return null;
  return (
    <details className={styles.more} data-testid={testId}>
      <summary>
        <span className={variant}>
          {countText(files.length, 'file')} {words}
        </span>
      </summary>
      <ul className={styles.files}>
        {files.slice(0, most).map(({ path, code, reason }, i) => (
          // A path may stand there twice, once for each thing to know about it.
          <li key={`${i} ${path} ${code}`}>
            <bdi className={styles.path}>{plainText(path, 300)}</bdi>
            <bdi>{plainText(reason, 500)}</bdi>
          </li>
        ))}
        {files.length > most && <li>… and {countText(files.length - most, 'file')} more</li>}
      </ul>
    </details>
  );
}

export function FileLists({ data }: { readonly data: DataSummary }) {
  return (
    <>
      <List
        files={data.rejected.filter(({ code }) => code !== 'duplicate')}
        words="refused"
        variant={styles.rejectedCount}
        testId="rejected"
      />
      <List
        files={data.rejected.filter(({ code }) => code === 'duplicate')}
        words="left out as exact copies of others"
        testId="copies"
      />
      <List
        files={data.warnings.filter(({ path }) => path !== '')}
        words="used, with something to know"
        variant={styles.warnedCount}
        testId="warnings"
      />
      <List
        files={data.ignored.filter(({ code }) => code !== 'directory')}
        words="passed over"
        testId="ignored"
      />
    </>
  );
}
