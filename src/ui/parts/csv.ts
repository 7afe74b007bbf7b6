// Rows as a CSV file. Cells that a spreadsheet would take for a formula are text.
import Papa from 'papaparse';

export function csvOf(fields: readonly string[], rows: readonly (readonly (string | number)[])[]): Blob {
  const text = Papa.unparse(
    { fields: [...fields], data: [...rows] },
    { newline: '\n', escapeFormulae: /^[=+\-@\t\r\n]/ },
  );
  return new Blob([text, '\n'], { type: 'text/csv' });
}
