// Sizes as people read them, everywhere: 1 kB is 1000 bytes, 1 GB is 10^9, as Finder, Linux's file managers,
// the Hub and makers of disks count (Windows alone divides by 2^30 and writes GB as well).

const units = ['B', 'kB', 'MB', 'GB'] as const;

/** 93,412 -> "93 kB"; 1,480,000,000 -> "1.5 GB": two digits, three from 100 on. */
export function bytesInWords(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.round(value) >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : Number(value.toPrecision(2))} ${units[unit] ?? ''}`;
}
