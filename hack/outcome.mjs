// Reads a JSON report of vitest: prints `PASSED FAILED` on one line, and after it each test that did
// not pass, with the beginning of why. What does not run (skipped, todo) did not pass.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const linesOfWhy = 12;

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));

function failure(name, why) {
  const lines = stripVTControlCharacters(why)
    .split('\n')
    .filter((line) => !line.includes('node_modules'))
    .slice(0, linesOfWhy);
  return [name, ...lines.map((line) => `    ${line}`)].join('\n');
}

const failures = report.testResults.flatMap((file) => {
  const path = relative(process.cwd(), file.name);
  const bad = file.assertionResults.filter((test) => test.status !== 'passed');
  if (bad.length === 0 && file.status === 'failed') return [failure(path, file.message ?? '')];
  return bad.map((test) =>
    failure(`${path} > ${test.fullName}`, test.failureMessages?.[0] ?? test.status),
  );
});

console.log([`${report.numPassedTests} ${failures.length}`, ...failures].join('\n'));
